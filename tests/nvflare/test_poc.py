"""What docs/nvflare.md says of processes that die, of logs and of jobs that move, in a real POC."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from deal import deal
from digits_jobs import EXAMPLE, HERE, end_job, in_process_model
from veilsum.secure_sum import deal_shares

pytestmark = pytest.mark.slow

_SECONDS = 1800  # It takes seven minutes on a busy machine.


@pytest.fixture(scope="module")
def poc(secret_key, tmp_path_factory):
    """A POC that all of it happened to: what was seen, by name, and the folder."""
    folder = tmp_path_factory.mktemp("poc") / "digits"
    # Jobs begin with one model, and one of them without a site: what holders refuse else.
    deal(folder, secret_key.secret, scheme="masked", same_model="allow")
    marker = folder / "marker"
    environment = {
        **os.environ,
        "HOME": str(folder),  # NVFlare keeps settings there.
        "NVFLARE_POC_WORKSPACE": str(folder / "poc"),
        "PYTHONPATH": os.pathsep.join([str(HERE), str(EXAMPLE)]),
        "PYTHONUNBUFFERED": "1",
        "VEILSUM_NUM_THREADS": "1",
        "VEILSUM_TEST_CAPTURE": str(marker),  # Nothing is captured; it tells whose they are.
    }
    log = folder / "driver.log"
    try:
        with log.open("w") as file:
            done = subprocess.run(
                [sys.executable, HERE / "poc_driver.py", folder],
                cwd=folder,
                env=environment,
                stdout=file,
                stderr=subprocess.STDOUT,
                timeout=_SECONDS,
            )
    finally:
        end_job(marker)
    text = log.read_text()
    assert done.returncode == 0, text[-5000:]
    lines = [line.split(" ", 2) for line in text.splitlines() if line.startswith("SEEN ")]
    return {name: json.loads(value) for _, name, value in lines}, folder


def model_in(folder):
    (path,) = folder.rglob("server.npy")
    return np.load(path)


@pytest.fixture
def key(secret_key):
    return deal_shares(secret_key.secret, num_holders=4, threshold=3, max_colluding_holders=1)


def test_a_site_that_sends_its_logs_is_left_out_and_the_job_goes_on(poc, key):
    seen, folder = poc
    assert seen["streaming"][0] == "FINISHED:COMPLETED"
    assert seen["refused"] == ["site-4"]
    expected = in_process_model(key, fails_from={"site-4": 1})
    assert np.array_equal(model_in(folder / "streaming-result"), expected)


def test_a_job_that_was_moved_runs_as_submitted_from_elsewhere(poc, key):
    seen, folder = poc
    assert seen["moved"][0] == "FINISHED:COMPLETED"
    assert np.array_equal(model_in(folder / "moved-result"), in_process_model(key))


def test_a_job_process_that_dies_fails_the_whole_job_at_once(poc):
    seen, _ = poc
    assert seen["killed-job-process"] == 1
    status, seconds = seen["job-process"]
    assert status.startswith("FINISHED")
    assert status != "FINISHED:COMPLETED"
    assert seconds < 60


def test_a_site_that_dies_whole_is_waited_for_and_the_job_can_be_aborted(poc):
    seen, _ = poc
    assert seen["killed-site"] >= 2
    assert seen["whole-site"][0] == "RUNNING"
    assert seen["aborted"][0] == "FINISHED:ABORTED"


def test_the_job_after_goes_on_with_the_next_number(poc):
    seen, _ = poc
    assert seen["again"][0] == "FINISHED:COMPLETED"
    numbers = [int(name[6:12]) for name in seen["transcripts"]]
    # Three jobs of three rounds, and a number for each of two that began and were not opened.
    assert len(numbers) == 9
    assert max(numbers) == 11
