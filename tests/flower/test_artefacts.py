"""What a run leaves for people: its history over all starts, a plot, its transcripts."""

import dataclasses
import json
from types import SimpleNamespace

import pytest
from flower_world import NAMES, client_app, federation_of, grid_of, initial_record, strategy
from test_round_line import record
from veilsum.errors import MalformedDataError, MissingExtraError, ProtocolError
from veilsum.integrations.flower import artefacts, history_file
from veilsum.integrations.flower.artefacts import Artefacts
from veilsum.integrations.flower.history_file import HistoryFile

FEDERATION = bytes(range(32))


@pytest.fixture(autouse=True)
def plots(monkeypatch):
    """What was to be plotted; matplotlib need not be there."""
    plots = []
    monkeypatch.setattr(artefacts, "plot_rounds", lambda rounds, path: plots.append((rounds, path)))
    return plots


def run_of(path):
    """A run's folder with two transcripts."""
    path.mkdir()
    for number in (1, 2):
        (path / f"round-00000{number}.transcript").write_bytes(b"VEIL %d" % number)
    return SimpleNamespace(path=path, transcripts=lambda: sorted(path.glob("*.transcript")))


def rounds_in(folder):
    return json.loads((folder / "history.json").read_text())["rounds"]


def disk_is_full(*_, **__):
    raise OSError("no space left on device")


def test_a_run_leaves_its_history_of_all_starts_and_its_transcripts(tmp_path, caplog, plots):
    federation = federation_of(tmp_path)
    grid, seen = grid_of(client_app(tmp_path)), tmp_path / "a" / "seen"
    caplog.set_level("INFO")
    first = strategy(tmp_path, artefacts=seen)
    first.start(grid, initial_record(), num_rounds=1)
    second = strategy(tmp_path, artefacts=seen)
    second.start(grid, initial_record(), num_rounds=2)
    found = json.loads((seen / "history.json").read_text())
    assert {name: found[name] for name in ("veilsum", "version", "federation")} == {
        "veilsum": "history",
        "version": 1,
        "federation": federation.hash.hex(),
    }
    # Every attribute of every record, under its own name.
    for told, kept in zip([*first.history, *second.history], found["rounds"], strict=True):
        given = dataclasses.asdict(told) | {"ended": told.ended.isoformat(timespec="seconds")}
        assert kept == json.loads(json.dumps(given))
    assert found["rounds"][1]["invited"] == list(NAMES)
    store = tmp_path / "run"
    for path in store.glob("*.transcript"):
        assert (seen / "transcripts" / path.name).read_bytes() == path.read_bytes()
    assert len(list((seen / "transcripts").iterdir())) == 2
    assert not (store / "history.json").exists()
    assert [(len(rounds), path) for rounds, path in plots] == [
        (1, seen / "rounds.png"),
        (2, seen / "rounds.png"),
    ]
    assert (
        f"the run's history is in {seen}/history.json, its transcripts in {seen}/transcripts, "
        f"its plot in {seen}/rounds.png"
    ) in caplog.messages


def test_what_is_wrong_with_the_folder_is_an_error_before_anybody_is_asked(tmp_path):
    federation_of(tmp_path)
    (tmp_path / "a-file").write_text("")
    with pytest.raises(OSError, match="a-file"):
        strategy(tmp_path, artefacts=tmp_path / "a-file")
    with pytest.raises(TypeError, match="artefacts"):
        strategy(tmp_path, artefacts=7)
    HistoryFile(tmp_path / "history.json", FEDERATION).add(record())
    with pytest.raises(ProtocolError, match="another federation's run: give each run a folder"):
        strategy(tmp_path, artefacts=tmp_path)
    assert rounds_in(tmp_path)[0]["server_round"] == 3


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[" * 10**5,
        "[]",
        "{}",
        '{"veilsum": "run", "version": 1, "federation": "", "rounds": []}',
        '{"veilsum": "history", "version": 2, "federation": "", "rounds": []}',
        '{"veilsum": "history", "version": 1, "federation": "", "rounds": [7]}',
        '{"veilsum": "history", "version": 1, "federation": "", "rounds": [{"round_number": 1}]}',
        '{"veilsum": "history", "version": 1, "federation": "", "rounds": [{"round_number": true,'
        ' "ended": "2026-12-01T00:00:00+00:00"}]}',
        '{"veilsum": "history", "version": 1, "federation": "", "rounds": [{"round_number": 1,'
        ' "ended": "yesterday"}]}',
    ],
)
def test_a_damaged_history_is_named_and_left_as_it_is(tmp_path, text):
    path = tmp_path / "history.json"
    path.write_text(text)
    with pytest.raises(MalformedDataError, match=r"history\.json is no history of version 1, or"):
        HistoryFile(path, FEDERATION)
    assert path.read_text() == text


def test_a_round_that_ends_twice_is_in_the_history_once(tmp_path):
    """A ServerApp that dies after the history is written ends the round again when it is back."""
    history = HistoryFile(tmp_path / "history.json", FEDERATION)
    history.add(record(round_number=1))
    history.add(record(round_number=2, refused={"ProtocolError": 1}))
    history.add(record(round_number=2))
    assert [found["round_number"] for found in history.rounds()] == [1, 2]
    assert history.rounds()[1]["refused"] == {}


def test_what_json_has_not_is_null(tmp_path):
    history = HistoryFile(tmp_path / "history.json", FEDERATION)
    history.add(record(seconds={"train": float("nan"), "open": float("inf")}))
    assert history.rounds()[0]["seconds"] == {"train": None, "open": None}


def test_names_of_later_versions_are_kept(tmp_path):
    history = HistoryFile(tmp_path / "history.json", FEDERATION)
    history.add(record(round_number=1))
    found = json.loads(history.path.read_text())
    found["rounds"][0]["metrics"] = {"loss": 0.5}
    history.path.write_text(json.dumps(found))
    history.add(record(round_number=2))
    assert history.rounds()[0]["metrics"] == {"loss": 0.5}


def test_a_full_disk_ends_no_run_and_loses_no_round(tmp_path, caplog, monkeypatch):
    run = run_of(tmp_path / "run")
    kept = Artefacts(tmp_path / "seen", run, FEDERATION)
    with monkeypatch.context() as patch:
        patch.setattr(history_file, "write_file", disk_is_full)
        kept.add(record(round_number=1))
    assert "cannot be written, and the run goes on" in caplog.text
    assert "no space left" in caplog.text
    assert rounds_in(tmp_path / "seen") == []
    kept.add(record(round_number=2))
    assert [found["round_number"] for found in rounds_in(tmp_path / "seen")] == [1, 2]
    with monkeypatch.context() as patch:
        patch.setattr(history_file, "write_file", disk_is_full)
        kept.add(record(round_number=3))
    kept.finish()
    assert [found["round_number"] for found in rounds_in(tmp_path / "seen")] == [1, 2, 3]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MissingExtraError("pip install 'veilsum[plot]'"), "without a plot (pip install"),
        (OSError("no space left"), "without a plot (OSError: no space left)"),
        (ValueError("a strange font"), "without a plot (ValueError: a strange font)"),
    ],
)
def test_no_plot_fails_a_run(tmp_path, caplog, monkeypatch, error, told):
    def fails(*_):
        raise error

    monkeypatch.setattr(artefacts, "plot_rounds", fails)
    kept = Artefacts(None, run_of(tmp_path / "run"), FEDERATION)
    caplog.set_level("INFO")
    kept.add(record())
    kept.finish()
    assert told in caplog.text


def test_in_the_store_nothing_is_there_twice(tmp_path):
    run = run_of(tmp_path / "run")
    (tmp_path / "link").symlink_to(run.path)
    for folder in (None, run.path, tmp_path / "link"):
        kept = Artefacts(folder, run, FEDERATION)
        kept.add(record())
        kept.finish()
    assert sorted(path.name for path in run.path.iterdir()) == [
        "history.json",
        "round-000001.transcript",
        "round-000002.transcript",
    ]


def test_transcripts_that_a_server_app_left_behind_are_copied_by_the_next(tmp_path):
    kept = Artefacts(tmp_path / "seen", run_of(tmp_path / "run"), FEDERATION)
    kept.add(record())
    copies = tmp_path / "seen" / "transcripts"
    assert [path.read_bytes() for path in sorted(copies.iterdir())] == [b"VEIL 1", b"VEIL 2"]


def test_no_round_leaves_no_plot(tmp_path, plots):
    Artefacts(None, run_of(tmp_path / "run"), FEDERATION).finish()
    assert plots == []
