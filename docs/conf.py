"""How Sphinx makes the site out of the documents: `./run docs`."""

import sys
from importlib.metadata import version as version_of
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "docs" / "_ext")]

project = "veilsum"
author = "the authors of veilsum"
version = release = version_of("veilsum")

# Documents link to each other from the root of the repository on, so that is where Sphinx reads.
root_doc = "docs/index"
include_patterns = [
    "*.md",
    "bench/results/README.md",
    "cpp/README.md",
    "docs/*.md",
    "docs/api/*.md",
    "examples/*/README.md",
]
exclude_patterns = [".*", "build", "dist"]
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "calculator_data",
    "frameworks",
    "public_names",
    "repository_links",
    "self_contained",
    "stale_tables",
]

myst_heading_anchors = 6
smartquotes = False  # Quotation marks stand as they were typed: many are of commands.

# Each has a page in docs/api.
public_modules = [
    "veilsum",
    "veilsum.compat.phe",
    "veilsum.errors",
    "veilsum.fedavg",
    "veilsum.hazmat",
    "veilsum.integrations.flower",
    "veilsum.integrations.nvflare",
    "veilsum.integrations.torch",
    "veilsum.noise",
    "veilsum.paillier.threshold",
    "veilsum.privacy",
    "veilsum.secure_sum",
    "veilsum.stats",
]
add_module_names = False
# What a class has of another one of veilsum's, its readers find with it.
autodoc_default_options = {
    "members": True,
    "inherited-members": "object, BaseException, Exception, tuple, Generic, Protocol",
}
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False

html_theme = "furo"
html_title = f"veilsum {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_extra_path = ["_front"]
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
