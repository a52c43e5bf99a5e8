"""A round ends in three steps: at whichever a ServerApp dies, the next one makes up for it."""

import json

import pytest
from flower_world import (
    NAMES,
    Died,
    assert_same,
    client_app,
    federation_of,
    grid_of,
    initial_record,
    model_of_the_loop,
    strategy,
)
from veilsum.errors import InvalidArgumentError
from veilsum.integrations.flower import SecureMod
from veilsum.integrations.flower.run_state import RunState
from veilsum.secure_sum import Identity, PartyFolder, Transcript


def files_of(folder):
    """Without the lock, and the plot, which is there if matplotlib is."""
    files = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    return sorted(files - {"lock", "rounds.png"})


def dies_at(monkeypatch, step, *, after, number=1):
    """The ServerApp dies before or after a step of the end of a round."""
    do = getattr(RunState, step)

    def die(self, argument, *rest):
        which = argument if isinstance(argument, int) else argument.round_number
        if which != number:
            return do(self, argument, *rest)
        if after:
            do(self, argument, *rest)
        raise Died

    monkeypatch.setattr(RunState, step, die)


@pytest.mark.parametrize("step", ["keep_transcript", "save", "erase_round"])
@pytest.mark.parametrize("after", [False, True])
def test_a_server_app_that_dies_at_the_end_of_a_round_loses_nothing(
    tmp_path, monkeypatch, step, after
):
    federation_of(tmp_path)
    grid = grid_of(client_app(tmp_path))
    secure = strategy(tmp_path)
    with monkeypatch.context() as patch:
        dies_at(patch, step, after=after)
        with pytest.raises(Died):
            secure.start(grid, initial_record(), num_rounds=1)
    secure = strategy(tmp_path)
    result = secure.start(grid, initial_record(), num_rounds=2)
    assert_same(result.arrays, model_of_the_loop(2))
    transcripts = [f"round-00000{number}.transcript" for number in (1, 2)]
    files = ["history.json", "model.checkpoint", *transcripts, "run.json"]
    assert files_of(tmp_path / "run") == files
    history = json.loads((tmp_path / "run/history.json").read_text())
    assert [found["round_number"] for found in history["rounds"]] == [1, 2]
    assert all(found["contributors"] == list(NAMES) for found in history["rounds"])
    agreed = PartyFolder(tmp_path / NAMES[0]).federation
    for name in transcripts:
        Transcript.from_bytes((tmp_path / "run" / name).read_bytes()).verify(agreed)


def test_a_damaged_checkpoint_is_named(tmp_path):
    federation_of(tmp_path)
    strategy(tmp_path).start(grid_of(client_app(tmp_path)), initial_record(), num_rounds=1)
    path = tmp_path / "run" / "model.checkpoint"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"model\.checkpoint is damaged"):
        strategy(tmp_path)


# ---- arguments ----


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"max_examples": 0}, InvalidArgumentError),
        ({"max_examples": float("nan")}, TypeError),
        ({"max_examples": "40"}, TypeError),
        ({"max_examples": True}, TypeError),
        ({"max_examples": None, "num_threads": 0}, InvalidArgumentError),
        ({"max_examples": None, "num_threads": 1.0}, TypeError),
        ({"max_examples": None, "weighted_by_key": 1}, TypeError),
        ({"max_examples": None, "evaluation_metrics": "accuracy"}, TypeError),
        ({"max_examples": None, "party": "hospital-a"}, TypeError),
    ],
)
def test_arguments_of_a_node_are_checked_by_name(settings, error):
    with pytest.raises(error, match=list(settings)[-1]):
        SecureMod(**settings)


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"wait_seconds": float("nan")}, InvalidArgumentError),
        ({"wait_seconds": -1}, InvalidArgumentError),
        ({"wait_seconds": "10"}, TypeError),
        ({"max_message_bytes": 0}, InvalidArgumentError),
        ({"max_message_bytes": 1e6}, TypeError),
        ({"num_threads": 0}, InvalidArgumentError),
        ({"evaluate": 1}, TypeError),
        ({"federation": 7}, TypeError),
        ({"store": 7}, TypeError),
        ({"identity": 7}, TypeError),
        ({"identity": Identity.generate("another")}, InvalidArgumentError),
        ({"identity": "nowhere", "passphrase_file": 7}, TypeError),
        ({"federation_hash": "no hash"}, InvalidArgumentError),
        ({"federation_hash": bytes(32)}, TypeError),
    ],
)
def test_arguments_of_a_strategy_are_checked_by_name(tmp_path, settings, error):
    federation_of(tmp_path)
    with pytest.raises(error, match=list(settings)[-1]):
        strategy(tmp_path, **settings)


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"num_rounds": -1}, InvalidArgumentError),
        ({"num_rounds": 1.5}, TypeError),
        ({"timeout": float("nan")}, InvalidArgumentError),
        ({"timeout": 0}, InvalidArgumentError),
    ],
)
def test_arguments_of_a_start_are_checked_by_name(tmp_path, settings, error):
    federation_of(tmp_path)
    grid = grid_of(client_app(tmp_path))
    with pytest.raises(error, match=next(iter(settings))):
        strategy(tmp_path).start(grid, initial_record(), **settings)
    assert grid.sent == []
