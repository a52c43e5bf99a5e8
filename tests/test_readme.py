"""The examples in README.md and in the docstrings of the public modules run."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest
import veilsum

README = Path(__file__).resolve().parent.parent / "README.md"
PUBLIC_MODULES = ["veilsum"] + [
    f"veilsum.{module.name}"
    for module in pkgutil.iter_modules(veilsum.__path__)
    if not module.name.startswith("_")
]


def python_blocks(text):
    """(line, code) of each ```python block."""
    for match in re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield text.count("\n", 0, match.start(1)), match[1]


def test_readme_examples_run():
    blocks = list(python_blocks(README.read_text()))
    assert blocks, "README.md has no ```python example"
    names = {"__name__": "readme"}
    for line, code in blocks:
        # Empty lines in front make a traceback show the line of README.md.
        exec(compile("\n" * line + code, str(README), "exec"), names)


@pytest.mark.parametrize("name", PUBLIC_MODULES)
def test_docstring_examples_run(name):
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.failed == 0


def test_blocks_are_found():
    text = "a\n```python\nx = 1\n```\n```sh\nls\n```\n```python\ny = 2\nz = 3\n```\n"
    assert list(python_blocks(text)) == [(2, "x = 1\n"), (8, "y = 2\nz = 3\n")]
