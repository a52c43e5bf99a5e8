"""Runs python-paillier's own tests, as installed, on phe or on veilsum.compat.phe in its place.

    python tests/phe_own_tests.py phe | ours [MODULE ...]

Prints {test: how it ended} as JSON. Nothing of phe is copied: its files are loaded from where they
are, and find one or the other library under the name phe.
"""

import importlib
import importlib.util
import json
import sys
import unittest
from pathlib import Path

MODULES = ("paillier_test", "math_test", "util_test", "cli_test")
PARTS = ("paillier", "encoding", "util", "command_line")


def folder_of_tests():
    """Where phe's tests are installed. The package itself is not imported for it."""
    (folder,) = importlib.util.find_spec("phe").submodule_search_locations
    return Path(folder) / "tests"


def take_the_place_of_phe():
    """Have ``import phe`` give veilsum's modules from here on."""
    from veilsum import hazmat

    hazmat.allow_small_phe_keys()
    sys.modules["phe"] = importlib.import_module("veilsum.compat.phe")
    for part in PARTS:
        sys.modules[f"phe.{part}"] = importlib.import_module(f"veilsum.compat.phe.{part}")


class Outcomes(unittest.TestResult):
    """How each test ended."""

    def __init__(self):
        super().__init__()
        self.ends = {}

    def addSuccess(self, test):
        self.ends.setdefault(test.id(), "passed")

    def addFailure(self, test, err):
        self.ends[test.id()] = f"failed: {err[0].__name__}: {str(err[1])[:200]}"

    addError = addFailure  # noqa: N815

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self.addFailure(test, err)


def outcomes(folder, names):
    """The ends of all tests in these modules."""
    result = Outcomes()
    for name in names:
        spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        unittest.defaultTestLoader.loadTestsFromModule(module).run(result)
    return result.ends


if __name__ == "__main__":
    where = folder_of_tests()
    if sys.argv[1] == "ours":
        take_the_place_of_phe()
    print(json.dumps(outcomes(where, sys.argv[2:] or MODULES)), file=sys.__stdout__)
