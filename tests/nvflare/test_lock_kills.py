"""SIGKILL between lock and opening: the next job goes on, and no other set is opened.

NVFlare's simulator starts each site once, and never again: a site that is killed alone stays away
until the job ends. So all processes of the job are killed, and the next job starts them again.
"""

import os
import threading
from pathlib import Path

import numpy as np
import pytest
from deal import SITES
from digits_jobs import EXAMPLE, HERE, end_job, in_process_model, run_job
from halting import halt
from veilsum.identity import Role
from veilsum.secure_sum import PartyFolder, RunName, deal_shares

pytestmark = pytest.mark.slow


class Killer:
    """Kills all processes of a job as soon as one of them waits between lock and opening."""

    def __init__(self, folder, part):
        self._folder = folder
        self._file = folder / "halted"
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        places = [HERE / "capture", EXAMPLE, Path(halt.__file__).parent]
        self.variables = {
            "PYTHONPATH": os.pathsep.join(map(str, places)),
            part: str(self._file),
        }

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._is_over.set()
        self._thread.join()

    def who(self):
        return self._file.read_text()

    def _watch(self):
        while not self._is_over.wait(0.1):
            if self._file.exists():
                end_job(self._folder / "capture.jsonl")


def locked(folder):
    """What each holder has locked, by round."""
    parties = {site: PartyFolder(folder / "parties" / site) for site in SITES}
    return {
        site: party.rounds(Role.HOLDER).answered(RunName.of(party.federation))
        for site, party in parties.items()
    }


@pytest.mark.parametrize("part", [halt.HOLDER, halt.AGGREGATOR])
def test_a_job_killed_between_lock_and_opening_opens_no_other_set(dealt, part, secret_key):
    with Killer(dealt, part) as killer:
        assert run_job(dealt, variables=killer.variables, may_fail=True).has_failed
    assert killer.who() in (SITES if part == halt.HOLDER else ["aggregator"])
    before = locked(dealt)
    assert sum(set(rounds) == {1} for rounds in before.values()) >= 3
    job = run_job(dealt, variables=killer.variables)
    shares = deal_shares(secret_key.secret, num_holders=4, threshold=3, max_colluding_holders=1)
    assert np.array_equal(job.model, in_process_model(shares))
    after = locked(dealt)
    for site in SITES:
        assert before[site].items() <= after[site].items()
    for number in set().union(*after.values()):
        assert len({rounds[number] for rounds in after.values() if number in rounds}) == 1
    assert set().union(*after.values()) == {1, 2, 3, 4}
    # Locks that were shown may have opened the round: it is finished. Else it is abandoned.
    opened = {1, 2, 3, 4} if part == halt.HOLDER else {2, 3, 4}
    found = {int(path.stem[-6:]) for path in (dealt / "rounds").glob("*.transcript")}
    assert found == opened
