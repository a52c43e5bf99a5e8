"""phe's own tests, taken from where phe is installed, pass on veilsum.compat.phe as on phe."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("phe_own_tests.py")


def ends(module, *whose):
    """How each of phe's tests ended with phe, or with ours under the name phe."""
    runs = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), which, module], stdout=subprocess.PIPE, text=True
        )
        for which in whose
    ]
    outputs = [run.communicate()[0] for run in runs]
    assert [run.returncode for run in runs] == [0] * len(whose)
    return [json.loads(output.splitlines()[-1]) for output in outputs]


def passed(found):
    return {name for name, end in found.items() if end == "passed"}


MODULES = pytest.mark.parametrize(
    ("module", "least"),
    [("paillier_test", 188), ("math_test", 2), ("util_test", 15), ("cli_test", 29)],
)


@MODULES
def test_as_many_pass_here_as_on_phe(module, least):
    pytest.importorskip("click")
    (ours,) = ends(module, "ours")
    assert len(passed(ours)) == least


@pytest.mark.slow
@MODULES
def test_what_passes_on_phe_passes_here(module, least):
    pytest.importorskip("click")
    theirs, ours = ends(module, "phe", "ours")
    assert len(passed(theirs)) >= least
    assert [(name, ours.get(name)) for name in sorted(passed(theirs) - passed(ours))] == []


def test_it_is_ours_that_is_tested():
    code = (
        "import phe_own_tests; phe_own_tests.take_the_place_of_phe()\n"
        "from phe import paillier, encoding, util, command_line, EncodedNumber\n"
        "import phe.paillier\n"
        "print(*(x.__name__ for x in (paillier, encoding, util, command_line, phe.paillier)))\n"
        "print(EncodedNumber.__module__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=SCRIPT.parent
    )
    assert all(name.startswith("veilsum.compat.phe") for name in done.stdout.split())
