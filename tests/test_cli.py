"""The command ``veilsum``, and what new users get wrong."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import veilsum as vs
from known_keys import known_key

# Hides optional packages, as if they were not installed.
HIDING = """
import sys
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {hidden!r}:
            raise ModuleNotFoundError("No module named " + repr(name), name=name)
sys.meta_path.insert(0, Hide())
"""


def run(*arguments, hidden=(), **environment):
    code = HIDING.format(hidden=hidden) + "from veilsum.__main__ import main\nmain()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )


def test_doctor_tells_what_veilsum_runs_on():
    found = json.loads(run("doctor", "--json").stdout)
    assert found["version"] == vs.__version__
    assert found["kernel"] == vs.cpu()["kernel"]
    assert found["extra cli"] == "installed"
    assert "kernel" in run("doctor").stdout


def test_without_its_packages_the_command_names_the_extra():
    result = run("doctor", hidden=("typer",))
    assert result.returncode == 1
    assert result.stderr.strip().endswith("pip install 'veilsum[cli]'")
    assert "Traceback" not in result.stderr


def test_an_unknown_kernel_is_refused_in_one_line():
    result = run("doctor", VEILSUM_ISA="avx1024")
    assert result.returncode == 1
    assert "VEILSUM_ISA is 'avx1024'" in result.stderr
    assert "portable" in result.stderr
    assert "Traceback" not in result.stderr


def test_progress_without_rich_names_the_extra():
    code = HIDING.format(hidden=("rich",)) + (
        "import numpy as np, veilsum as vs\n"
        "try: vs.FedAvg([np.zeros(2)], [object()], trust='clear', weighting='uniform', "
        "progress=True)\n"
        "except vs.MissingExtraError as error: print(error)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "pip install 'veilsum[cli]'" in result.stdout, result.stderr


def test_errors_of_new_users_say_what_to_do(tmp_path):
    secret = known_key(2048).secret
    codec = vs.Codec(3, clip=1.0, value_bits=8, max_addends=1)
    vector = codec.encrypt(np.zeros(3), key=secret)
    with pytest.raises(TypeError, match="Codec"):
        secret.public_key.encrypt([0.5, 1.5])
    with pytest.raises(vs.InvalidArgumentError, match="NaN at index 1"):
        codec.encrypt(np.array([0, np.nan, 0]), key=secret)
    with pytest.raises(vs.CapacityError, match="larger max_addends"):
        vector + vector
    with pytest.raises(TypeError, match="array"):
        vs.FedAvg([np.zeros(3, int)], [object()], trust="clear")
    path = tmp_path / "key"
    secret.save(path, passphrase="right")
    with pytest.raises(vs.PassphraseError, match="passphrase"):
        vs.SecretKey.load(path, passphrase="wrong")
