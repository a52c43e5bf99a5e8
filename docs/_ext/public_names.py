"""A public name that the reference lacks, as it has no docstring or no page: a warning."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator, Sequence, Set
from types import ModuleType
from typing import Any

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

_LOG = logging.getLogger(__name__)


def setup(app: Sphinx) -> dict[str, Any]:
    """Have Sphinx call this."""
    app.add_config_value("public_modules", [], "env")
    app.connect("env-check-consistency", warn_of_what_is_not_there)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def warn_of_what_is_not_there(app: Sphinx, env: BuildEnvironment) -> None:
    """Look for every public name of the public modules among what the pages describe."""
    python = env.domains.python_domain
    described = {*python.objects, *python.modules}
    modules = [importlib.import_module(name) for name in app.config.public_modules]
    for missing in missing_names(modules, described):
        _LOG.warning(
            "the reference lacks %s: give it a docstring, and a place in docs/api", missing
        )


def missing_names(modules: Sequence[ModuleType], described: Set[str]) -> Iterator[str]:
    """The names of ``__all__`` and of its classes that are not among those described."""
    names = [(module, name, getattr(module, name)) for module in modules for name in module.__all__]
    places: dict[int, set[str]] = {}
    for module, name, value in names:
        places.setdefault(id(value), set()).update(_places(module, name, value, described))
    for module, name, value in names:
        found = places[id(value)] & described
        if not found:
            yield f"{module.__name__}.{name}"
        elif inspect.isclass(value):
            for member in _public_members(value):
                if not any(f"{place}.{member}" in described for place in found):
                    yield f"{module.__name__}.{name}.{member}"


def _places(module: ModuleType, name: str, value: object, described: Set[str]) -> set[str]:
    """Under which names it may be described: as it is imported, and where it is defined."""
    places = {f"{module.__name__}.{name}"}
    if inspect.ismodule(value):
        places.add(value.__name__)
    elif inspect.isclass(value) or inspect.isroutine(value):
        places.add(f"{value.__module__}.{name}")
    else:  # An alias of a type does not know its home.
        inside = f"{module.__name__}."
        places |= {each for each in described if each.startswith(inside)} & {
            each for each in described if each.endswith(f".{name}")
        }
    return places


def _public_members(of: type) -> Iterator[str]:
    """Methods and properties that veilsum defines; the fields of a class are in its signature."""
    package = of.__module__.partition(".")[0]
    for each in of.__mro__:
        if each.__module__.partition(".")[0] != package:
            continue
        for name, value in vars(each).items():
            if not name.startswith("_") and (
                inspect.isroutine(value) or isinstance(value, property | classmethod | staticmethod)
            ):
                yield name
