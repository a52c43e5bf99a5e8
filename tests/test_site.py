"""The site of the documents: what it refuses, each planted once."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("sphinx", reason="`./run docs` installs Sphinx")

ROOT = Path(__file__).resolve().parent.parent


def build(folder, pages):
    """A site of these pages with the settings of the real one: exit status and warnings."""
    for name, text in pages.items():
        path = folder / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    options = ("--quiet", "--fail-on-warning", "--conf-dir", str(ROOT / "docs"))
    options += ("--define", "public_modules=planted")
    environment = {"NO_COLOR": "1", "PYTHONPATH": str(folder / "source")}
    command = [
        sys.executable,
        "-m",
        "sphinx",
        *options,
        str(folder / "source"),
        str(folder / "site"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    return done.returncode, done.stderr


MODULE = '''"""A module."""

__all__ = ["told", "untold", "Told"]


def told():
    """What is told."""


def untold():
    {untold}


class Told:
    """A class."""

    def method(self):
        {method}
'''
REFERENCE = "# Reference\n\n```{eval-rst}\n.. automodule:: planted\n```\n"


def stale_page():
    text = (ROOT / "docs" / "comparison.md").read_text()
    table = re.search(r"<!-- table frameworks.*?<!-- end of table -->", text, re.DOTALL)[0]
    assert "| 0.00793 |" in table
    return table.replace("| 0.00793 |", "| 0.00791 |")


MISTAKES = {
    "# A page\n\n[x](nowhere.md)\n": "cross-reference target not found: 'nowhere.md'",
    "# A page\n\n[x](index.md#nothing)\n": "local id not found in doc 'docs/index': 'nothing'",
    '# A page\n\n<img src="https://example.org/x.png">\n': "example.org/x.png would be fetched by",
    f"# A page\n\n{stale_page()}\n": "a table is not what its source says",
}


def test_a_site_with_a_mistake_is_refused_and_each_is_told(tmp_path):
    pages = {f"docs/page{number}.md": text for number, text in enumerate(MISTAKES)}
    listed = "\n".join(f"page{number}" for number in range(len(pages)))
    pages["docs/index.md"] = f"# Site\n\n```{{toctree}}\n{listed}\napi/planted\n```\n"
    pages["docs/lonely.md"] = "# Not in the navigation\n"
    pages["docs/api/planted.md"] = REFERENCE
    pages["planted.py"] = MODULE.format(untold="pass", method="pass")
    status, told = build(tmp_path, pages)
    assert status != 0
    wanted = [*MISTAKES.values(), "document isn't included in any toctree"]
    wanted += ["the reference lacks planted.untold:", "the reference lacks planted.Told.method:"]
    assert [warning for warning in wanted if warning not in told] == []
    assert told.count("WARNING") == len(wanted)


GOOD_PAGE = """# A page

<a id="here"></a>Here. [There](index.md), [here](index.md#of-it), [in the table](page.md#here)
"""
GOOD_INDEX = """# Site

## Of it

```{toctree}
page
api/planted
```

[A folder](../folder)
"""


def test_a_site_without_a_mistake_is_made(tmp_path):
    (tmp_path / "source" / "folder").mkdir(parents=True)
    pages = {
        "docs/index.md": GOOD_INDEX,
        "docs/page.md": GOOD_PAGE,
        "docs/api/planted.md": REFERENCE,
        "planted.py": MODULE.format(untold='"""Told."""', method='"""Told."""'),
    }
    assert build(tmp_path, pages) == (0, "")
    assert 'href="docs/index.html"' in (tmp_path / "site" / "index.html").read_text()
