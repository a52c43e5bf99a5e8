"""Flower, NVFlare and PyTorch as far as their adapters' docstrings need them.

An adapter's class has a framework's as its base and in its annotations. To read its docstring the
framework need not be there: any name of it is an empty class. Sphinx's own stand-ins are objects,
which cannot be part of ``A | B``.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from sphinx.application import Sphinx

NAMES = ("flwr", "nvflare", "torch")


def setup(app: Sphinx) -> dict[str, Any]:
    """Put the stand-ins where Python looks for modules first."""
    sys.meta_path.insert(0, _Finder())
    return {"parallel_read_safe": True, "parallel_write_safe": True}


class _AnyNames(type):
    def __getattr__(cls, name: str) -> type:
        return _stand_in(name, cls.__module__)

    def __contains__(cls, item: object) -> bool:
        return True


class _Module(ModuleType):
    __path__: list[str] = []  # Each may have modules in it.  # noqa: RUF012

    def __getattr__(self, name: str) -> type:
        return _stand_in(name, self.__name__)


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] not in NAMES:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return _Module(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing is in it."""


def _stand_in(name: str, module: str) -> type:
    if name.startswith("__"):
        raise AttributeError(name)
    return _AnyNames(name, (), {"__module__": module})
