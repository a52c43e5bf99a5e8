"""A checkpoint: what is in it, who goes on with it, and what a damaged one says."""

import os
import resource
import shutil

import fedavg_clients as fl
import numpy as np
import pytest
import veilsum as vs
from veilsum.arrays_file import read_arrays, write_arrays
from veilsum.fedavg.checkpoint import Checkpoint

SETTINGS = {"momentum": 0.5, "fraction": 0.5, "selection": "shuffled", "server_lr": 0.7}


def resumed(path, **changes):
    others = {"evaluate": fl.error}
    return vs.FedAvg.resume(path, fl.clients(), **(others | changes))


@pytest.mark.parametrize("trust", ["threshold", "authority", "contributors", "clear"])
def test_a_resumed_run_ends_with_the_model_of_an_unbroken_one(tmp_path, trust):
    unbroken = fl.loop(trust=trust, **SETTINGS)
    unbroken.run(6)
    loop = fl.loop(trust=trust, checkpoint=tmp_path / "run", **SETTINGS)
    key = None if trust == "clear" else fl.loop_key(trust)
    loop.run(2)
    for rounds in (1, 3):
        before = loop.history
        loop = resumed(tmp_path / "run", key=key)
        assert loop.history == before
        loop.run(rounds)
    assert fl.same(loop.model, unbroken.model)
    assert loop.history.accuracies == unbroken.history.accuracies
    assert [r.round_number for r in loop.history] == [1, 2, 3, 4, 5, 6]


def test_everything_that_was_set_is_kept(tmp_path):
    noise = vs.privacy.GaussianNoise(
        epsilon=50.0, delta=1e-5, rounds=5, norm_bound=1.0, honest_contributors=3, weighted=False
    )
    codec = vs.Codec(
        fl.DIM, clip=[1.0] * 3 + [0.5] * 3, value_bits=18, max_addends=10, weight_bits=2
    )
    settings = {
        "codec": codec, "noise": noise, "weighting": "uniform", "local_epochs": 2,
        "evaluate_every": 3, "min_contributors": 4, "lower_is_better": True, "seed": 9,
        "report_clipping": True, "fraction": 0.5,
    }  # fmt: skip
    loop = fl.loop(checkpoint=tmp_path / "run", **settings)
    kept = loop._run.settings
    again = resumed(tmp_path / "run")
    assert again._run.settings == kept
    assert again.codec == loop.codec
    assert again.history.lower_is_better


def test_ledgers_in_memory_go_on_from_what_was_sent(tmp_path):
    noise = vs.privacy.LaplaceNoise(epsilon=50.0, rounds=3, norm_bound=1.0, weighted=False)
    loop = fl.loop(noise=noise, weighting="uniform", checkpoint=tmp_path / "run")
    loop.run(2)
    again = resumed(tmp_path / "run")
    assert again.run(1)[-1].epsilon_colluding > loop.history[-1].epsilon_colluding
    with pytest.raises(vs.RunEndedError, match="over after 3 rounds"):
        again.run(1)
    with pytest.raises(vs.RunEndedError, match="over after 3 rounds"):
        resumed(tmp_path / "run").run(1)


def test_whoever_may_have_sent_counts_as_having_sent(tmp_path):
    """Ledgers in memory end with the process, and with them who sent in its last round."""
    noise = vs.privacy.LaplaceNoise(epsilon=50.0, rounds=3, norm_bound=1.0, weighted=False)
    members = fl.clients()
    members[7] = fl.FailingClient(7, stop)
    loop = fl.loop(members, noise=noise, weighting="uniform", checkpoint=tmp_path / "run")
    with pytest.raises(KeyboardInterrupt):
        loop.run(1)
    again = resumed(tmp_path / "run")
    assert again.history.interrupted == [1]
    again.run(2)
    assert again.history[-1].epsilon_colluding == pytest.approx(50.0)
    with pytest.raises(vs.RunEndedError):
        again.run(1)


def stop(trained):
    raise KeyboardInterrupt


def test_a_checkpoint_holds_no_key(tmp_path):
    loop = fl.loop(trust="authority", checkpoint=tmp_path / "run")
    loop.run(2)
    secret = bytes(fl.key()._native.to_secret_bytes())
    for path in (tmp_path / "run").rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        assert all(secret[i : i + 16] not in data for i in range(0, len(secret) - 16, 16))
        assert path.stat().st_mode & 0o077 == 0


def test_a_folder_that_is_there_is_not_overwritten(tmp_path):
    fl.loop(checkpoint=tmp_path / "run").run(1)
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    with pytest.raises(FileExistsError, match=r"FedAvg\.resume"):
        fl.loop(checkpoint=tmp_path / "run")
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before


def test_a_run_that_cannot_be_founded_leaves_no_checkpoint(tmp_path):
    with pytest.raises(vs.InvalidArgumentError):
        fl.loop(checkpoint=tmp_path / "run", min_contributors=99)
    assert list(tmp_path.iterdir()) == []


def test_other_clients_are_refused(tmp_path):
    noise = vs.privacy.LaplaceNoise(epsilon=50.0, rounds=3, norm_bound=1.0, weighted=False)
    fl.loop(checkpoint=tmp_path / "run", noise=noise, weighting="uniform").run(1)
    for number in (1, 3, 99):
        with pytest.raises(vs.InvalidArgumentError, match=rf"10 clients, not {number}; give"):
            vs.FedAvg.resume(tmp_path / "run", fl.clients(number))


def test_a_process_that_was_forked_does_not_go_on_with_its_parents_run(tmp_path):
    loop = fl.loop(checkpoint=tmp_path / "run")
    loop.run(1)
    reading, writing = os.pipe()
    if os.fork() == 0:
        try:
            loop.run(3)
            os.write(writing, b"it went on")
        except vs.StoreInUseError:
            os.write(writing, b"refused")
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as told:
        assert told.read() == b"refused"
    os.wait()
    loop.run(1)
    assert resumed(tmp_path / "run").history == loop.history


def test_who_was_overtaken_in_its_own_process_says_so(tmp_path):
    first = fl.loop(checkpoint=tmp_path / "run")
    first.run(1)
    second = resumed(tmp_path / "run")
    with pytest.raises(vs.StoreInUseError, match="another FedAvg"):
        first.run(1)
    second.run(1)
    assert [record.round_number for record in second.history] == [1, 2]


# ---- damage ----


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint") / "run"
    fl.loop(checkpoint=folder).run(2)
    return folder


def open_copy(run_folder, tmp_path, name, data):
    copy = tmp_path / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(run_folder, copy)
    (copy / name).write_bytes(data)
    checkpoint, *_ = Checkpoint.open(copy)
    checkpoint.close()


def test_a_damaged_state_is_refused_wherever_the_damage_is(run_folder, tmp_path):
    good = (run_folder / "state").read_bytes()
    open_copy(run_folder, tmp_path, "state", good)
    rng = np.random.default_rng(5)
    damaged = [b"", good[:10], good[:-1], good + b"\0", b"x" * len(good)]
    for position in rng.integers(0, len(good), 60):
        damaged.append(good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :])
    for data in damaged:
        with pytest.raises(vs.MalformedDataError):
            open_copy(run_folder, tmp_path, "state", data)


def change(path, edit):
    facts, arrays = read_arrays(path)
    edit(facts, arrays)
    write_arrays(path, facts, arrays)


@pytest.mark.parametrize(
    "edit",
    [
        lambda facts, arrays: facts.pop("settings"),
        lambda facts, arrays: facts.update(version=99),
        lambda facts, arrays: facts["settings"].update(trust="nobody"),
        lambda facts, arrays: facts["settings"].update(server_lr="x"),
        lambda facts, arrays: facts["settings"].update(more=1),
        lambda facts, arrays: facts["settings"]["codec"].update(value_bits=99),
        lambda facts, arrays: facts.update(last_round={}),
        lambda facts, arrays: facts.update(last_round=None),
        lambda facts, arrays: facts.update(num_rounds=3),
        lambda facts, arrays: facts.update(num_rounds="x"),
        lambda facts, arrays: facts.update(last_number=None),
        lambda facts, arrays: facts.update(selector={}),
        lambda facts, arrays: facts.update(spending={"x": 1}),
        lambda facts, arrays: arrays.pop("velocity"),
        lambda facts, arrays: arrays.update(velocity=np.zeros(1)),
        lambda facts, arrays: arrays.pop("model/0"),
    ],
)
def test_a_state_that_nobody_wrote_is_refused(run_folder, tmp_path, edit):
    copy = tmp_path / "copy"
    shutil.copytree(run_folder, copy)
    change(copy / "state", edit)
    with pytest.raises(vs.MalformedDataError):
        Checkpoint.open(copy)


@pytest.mark.parametrize("text", [b"", b"x\n", b"{}\n", b"[" * 100_000 + b"\n", b"null\n"])
def test_damaged_records_of_rounds_are_refused(run_folder, tmp_path, text):
    with pytest.raises(vs.MalformedDataError):
        open_copy(run_folder, tmp_path, "rounds.jsonl", text)


def test_a_record_that_was_cut_off_or_came_too_early_is_written_again(run_folder, tmp_path):
    good = (run_folder / "rounds.jsonl").read_bytes()
    assert good.count(b"\n") == 1
    for more in (b'{"round_nu', good, good * 3):
        open_copy(run_folder, tmp_path, "rounds.jsonl", good + more)
        loop = vs.FedAvg.resume(tmp_path / "copy", fl.clients())
        loop.run(2)
        history = loop.history
        assert vs.FedAvg.resume(tmp_path / "copy", fl.clients()).history == history


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b'{"number": 1}', b"[" * 100_000])
def test_a_damaged_mark_of_a_round_is_refused(run_folder, tmp_path, text):
    with pytest.raises(vs.MalformedDataError):
        open_copy(run_folder, tmp_path, "begun", text)


@pytest.mark.parametrize("name", ["rounds.jsonl", "begun"])
def test_a_changed_bit_is_found_wherever_it_is(run_folder, tmp_path, name):
    good = (run_folder / name).read_bytes()
    for position in range(0, len(good), 7):
        data = good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :]
        with pytest.raises(vs.MalformedDataError):
            open_copy(run_folder, tmp_path, name, data)


def test_a_save_that_was_interrupted_leaves_no_record_twice(tmp_path, monkeypatch):
    loop = fl.loop(checkpoint=tmp_path / "run")
    loop.run(2)
    fsync = os.fsync

    def interrupt(descriptor):
        fsync(descriptor)
        if os.readlink(f"/proc/self/fd/{descriptor}").endswith("rounds.jsonl"):
            monkeypatch.undo()
            raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        loop.run(1)
    assert len(loop.history) == 2
    loop.run(2)
    assert len(loop.history) == 4
    assert resumed(tmp_path / "run").history == loop.history


def test_a_disk_that_was_full_once_loses_nothing(tmp_path):
    loop = fl.loop(checkpoint=tmp_path / "run")
    loop.run(12)
    size = (tmp_path / "run" / "rounds.jsonl").stat().st_size
    assert size > (tmp_path / "run" / "begun").stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            loop.run(1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    loop.run(3)
    assert len(loop.history) == 15
    assert resumed(tmp_path / "run").history == loop.history


def test_a_folder_that_is_no_checkpoint_is_refused(tmp_path):
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(vs.MalformedDataError, match="no checkpoint"):
            vs.FedAvg.resume(path, fl.clients())
    with pytest.raises(TypeError, match="path"):
        vs.FedAvg.resume(3, fl.clients())
    assert list(tmp_path.iterdir()) == []
