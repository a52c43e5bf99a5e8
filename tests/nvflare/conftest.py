"""What the tests with NVFlare share. The other tests do not collect this folder."""

import shutil
import sys
from pathlib import Path

import pytest
from veilsum import keyfile

sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "06_nvflare"))

from shared_keys import shared_key


@pytest.fixture(scope="session", autouse=True)
def _cheap_key_files():
    """Passphrases that are cheap to check."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keyfile, "_LOG2_COST", 14)
        yield


@pytest.fixture(scope="session")
def secret_key():
    """A key of safe primes."""
    return shared_key()


@pytest.fixture(scope="session")
def dealt_once(tmp_path_factory, secret_key):
    """The example's parties, in a folder that nobody uses."""
    from deal import deal

    folder = tmp_path_factory.mktemp("dealt") / "digits"
    deal(folder, secret_key.secret)
    return folder


@pytest.fixture
def dealt(dealt_once, tmp_path):
    """A copy of them, which no party outside of tests may make."""
    return shutil.copytree(dealt_once, tmp_path / "digits")


@pytest.fixture(scope="session")
def finished_job(dealt_once, tmp_path_factory):
    """The example's job after it ran."""
    from digits_jobs import run_job

    return run_job(shutil.copytree(dealt_once, tmp_path_factory.mktemp("job") / "digits"))
