"""The examples of README.md, of some pages of docs/, and of docstrings of public modules run."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest
import veilsum

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    "README.md",
    "docs/coming-from.md",
    "docs/encrypted-numbers.md",
    "docs/fedavg.md",
    "docs/weights.md",
]
PUBLIC_MODULES = ["veilsum"] + [
    f"veilsum.{module.name}"
    for module in pkgutil.iter_modules(veilsum.__path__)
    if not module.name.startswith("_")
]


def python_blocks(text):
    """(line, code) of each ```python block."""
    for match in re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield text.count("\n", 0, match.start(1)), match[1]


@pytest.mark.parametrize("page", PAGES)
def test_examples_of_a_page_run(page, capsys):
    blocks = list(python_blocks((ROOT / page).read_text()))
    assert blocks, f"{page} has no ```python example"
    names = {"__name__": "page"}
    for line, code in blocks:
        # Empty lines in front make a traceback show the line of the page.
        exec(compile("\n" * line + code, page, "exec"), names)


@pytest.mark.parametrize("name", PUBLIC_MODULES)
def test_docstring_examples_run(name):
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.failed == 0


def test_blocks_are_found():
    text = "a\n```python\nx = 1\n```\n```sh\nls\n```\n```python\ny = 2\nz = 3\n```\n"
    assert list(python_blocks(text)) == [(2, "x = 1\n"), (8, "y = 2\nz = 3\n")]
