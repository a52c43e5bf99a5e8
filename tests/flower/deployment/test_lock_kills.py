"""SIGKILL between lock and opening: the round goes on, and no other set of it is opened."""

import os
import signal

import pytest
from deployment import RUN_SECONDS, Deployment
from halting import halt
from parties import EXAMPLE, NAMES, nodes, run_config, set_up_parties
from test_failures import NOISE, answers, expect_answered_once
from veilsum.identity import Role

pytestmark = pytest.mark.slow


def halted(deployment, file):
    """Wait until a party waits there; its name."""
    deployment.processes.wait_for("superlink", file.exists, RUN_SECONDS)
    return file.read_text()


def deployed(folder, part):
    """Where the first one in this part waits to be killed, and the file that says who."""
    file = folder / "halted"
    watched = {"PYTHONPATH": os.path.dirname(halt.__file__), part: str(file)}
    return Deployment(folder, nodes(folder), watched), file


def test_a_node_killed_between_lock_and_opening_opens_no_other_set(tmp_path):
    folder = tmp_path / "deployment"
    set_up_parties(folder, *NOISE)
    deployment, file = deployed(folder, halt.HOLDER)
    with deployment:
        run = deployment.submit(EXAMPLE, run_config(folder, num_rounds=2))
        name = halted(deployment, file)
        assert name in NAMES
        locked = answers(folder, name, Role.HOLDER)
        assert set(locked) == {1}
        deployment.processes.kill(name)
        deployment.start_node(name)
        assert deployment.finish(run) == "finished:completed", deployment.log(run)
    assert answers(folder, name, Role.HOLDER)[1] == locked[1]
    by_holder = [answers(folder, holder, Role.HOLDER) for holder in NAMES]
    for number in (1, 2):
        sets = [found[number] for found in by_holder if number in found]
        assert len(sets) >= 3
        assert len(set(sets)) == 1


def test_a_server_app_killed_before_it_shows_locks_goes_on_with_them(tmp_path):
    folder = tmp_path / "deployment"
    set_up_parties(folder, *NOISE)
    deployment, file = deployed(folder, halt.AGGREGATOR)
    with deployment:
        first = deployment.submit(EXAMPLE, run_config(folder, num_rounds=2))
        halted(deployment, file)
        locked = [answers(folder, name, Role.HOLDER) for name in NAMES]
        assert sum(set(found) == {1} for found in locked) >= 3
        for pid in deployment.processes.find("flwr-serverapp", under="superlink"):
            os.kill(pid, signal.SIGKILL)
        again = deployment.submit(EXAMPLE, run_config(folder, num_rounds=2))
        assert deployment.finish(again) == "finished:completed", deployment.log(again)
        assert "round 1 goes on where it was" in deployment.log(again)
        assert deployment.status(first) == "finished:failed"
    expect_answered_once(folder, {1, 2}, opened={1, 2})
    for name, before in zip(NAMES, locked, strict=True):
        assert before.items() <= answers(folder, name, Role.HOLDER).items()
