"""What SIGKILL leaves: rounds go on without a node, and no round is opened twice."""

import os
import re
import signal

import numpy as np
import pytest
from deployment import RUN_SECONDS, Deployment
from in_process import model_of_the_loop
from parties import EXAMPLE, NAMES, nodes, run_config, set_up_parties
from veilsum.identity import Role
from veilsum.secure_sum import PartyFolder, RunName

pytestmark = pytest.mark.slow

VICTIM = NAMES[1]
# So little noise that the total weight of four contributors stays positive.
NOISE = ("--epsilon", "200", "--rounds", "4", "--norm-bound", "1")
OTHERS = [place for place, name in enumerate(NAMES) if name != VICTIM]


def final_model(folder):
    with np.load(folder / "server" / "final_model.npz") as arrays:
        return list(arrays.values())


def same(found, wanted):
    return [array.tobytes() for array in found] == [array.tobytes() for array in wanted]


def answers(folder, name, role):
    """What a party has answered, by round."""
    party = PartyFolder(folder / name / "federation")
    return party.rounds(role).answered(RunName.of(party.federation))


def contributions(folder, name):
    """How many contributions a party has been charged for."""
    return PartyFolder(folder / name / "federation").privacy_ledger.spent.num_contributions


def wait_for_line(deployment, pattern):
    """Wait until the victim's log says so; lines may lie between."""
    log = deployment.processes.log
    deployment.processes.wait_for(
        VICTIM, lambda: re.search(pattern, log(VICTIM), re.DOTALL), RUN_SECONDS
    )


def kill_server_app_and_start_again(deployment, folder, *, when):
    """Kill the ServerApp when the victim's log says so; the run that it had, and the one that ends.

    The second goes on with the first one's store.
    """
    first = deployment.submit(EXAMPLE, run_config(folder, num_rounds=2))
    wait_for_line(deployment, when)
    found = deployment.processes.find("flwr-serverapp", under="superlink")
    assert found
    for pid in found:
        os.kill(pid, signal.SIGKILL)
    again = deployment.submit(EXAMPLE, run_config(folder, num_rounds=2))
    assert deployment.finish(again) == "finished:completed", deployment.log(again)
    assert "round 1 goes on where it was" in deployment.log(again)
    return first, again


@pytest.mark.parametrize(
    ("when", "num_rounds", "in_the_sum"),
    [
        pytest.param(r"Receiving: train ", 2, OTHERS, id="before it contributes"),
        pytest.param(r"Sending: train .*Sent successfully", 1, range(len(NAMES)), id="after"),
    ],
)
def test_a_killed_node_is_in_the_sum_if_it_had_contributed(tmp_path, when, num_rounds, in_the_sum):
    folder = tmp_path / "deployment"
    set_up_parties(folder)
    with Deployment(folder, nodes(folder)) as deployment:
        run = deployment.submit(EXAMPLE, run_config(folder, num_rounds=num_rounds))
        wait_for_line(deployment, when)
        deployment.processes.kill(VICTIM)
        assert deployment.finish(run) == "finished:completed", deployment.log(run)
    assert same(final_model(folder), model_of_the_loop(num_rounds, in_the_sum))
    assert answers(folder, VICTIM, Role.HOLDER) == {}


def test_a_server_app_killed_while_a_round_is_opened_goes_on_with_its_store(tmp_path):
    folder = tmp_path / "deployment"
    set_up_parties(folder, *NOISE)
    with Deployment(folder, nodes(folder)) as deployment:
        first, again = kill_server_app_and_start_again(
            deployment, folder, when=r"Receiving: query.veilsum_open"
        )
        assert "round 2: " not in deployment.log(again)  # Nobody was left out of it.
        expect_answered_once(folder, {1, 2}, opened={1, 2})

        # A server that has lost its store, or says so, is another run: nobody answers it.
        config = {**run_config(folder, num_rounds=2), "store": str(folder / "server" / "new")}
        other = deployment.submit(EXAMPLE, config)
        deployment.finish(other)
        assert "off the chain" in deployment.log(other)
        assert "is abandoned, the model stays" in deployment.log(other)
        expect_answered_once(folder, {1, 2}, opened={1, 2})
        assert deployment.status(first) == "finished:failed"


def test_a_server_app_killed_while_nodes_train_goes_on_with_that_round(tmp_path):
    folder = tmp_path / "deployment"
    set_up_parties(folder, *NOISE)
    with Deployment(folder, nodes(folder)) as deployment:
        _, again = kill_server_app_and_start_again(deployment, folder, when=r"Receiving: train ")
    # What the nodes had sent is lost; they send the same again, and are charged once.
    assert "is abandoned" not in deployment.log(again)
    expect_answered_once(folder, {1, 2}, opened={1, 2})


def expect_answered_once(folder, contributed, *, opened):
    """Budgets are charged for these rounds, and all holders have opened the same set of each."""
    for name in NAMES:
        assert set(answers(folder, name, Role.CONTRIBUTOR)) == contributed
        assert contributions(folder, name) == len(contributed)
    by_holder = [answers(folder, name, Role.HOLDER) for name in NAMES]
    assert set().union(*by_holder) == opened
    for number in opened:
        given = [found[number] for found in by_holder if number in found]
        assert len(given) >= 3
        assert len(set(given)) == 1
