"""phe's own tests, taken from where phe is installed, pass on veilsum.compat.phe as on phe."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("phe_own_tests.py")


def ends(which, *modules):
    """How each of phe's tests ended, with phe or ours under the name phe."""
    done = subprocess.run(
        [sys.executable, str(SCRIPT), which, *modules], check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def passed(found):
    return {name for name, end in found.items() if end == "passed"}


@pytest.mark.parametrize(
    ("module", "least"),
    [
        pytest.param("paillier_test", 180, marks=pytest.mark.slow),
        ("math_test", 2),
        ("util_test", 15),
        pytest.param("cli_test", 29, marks=pytest.mark.slow),
    ],
)
def test_what_passes_on_phe_passes_here(module, least):
    pytest.importorskip("click")
    theirs, ours = ends("phe", module), ends("ours", module)
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
