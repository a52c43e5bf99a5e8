"""Studies that Flower carries: the results and the refusals of any other carrier."""

import csv
import json
import os
from types import SimpleNamespace

import flower_world
import numpy as np
import pytest
import veilsum as vs
from flower_world import AGGREGATOR, NAMES, PASSPHRASE, Grid, federation_of, name_of
from shared_keys import shared_key
from veilsum import stats
from veilsum.cli.study_round import AggregatorSide, StudyRound, announce, answer_round
from veilsum.integrations.flower import Party, SecureStudy, StudyClientApp, simulation
from veilsum.integrations.flower.simulation import usual_party
from veilsum.privacy import Ledger
from veilsum.secure_sum import Federation, Identity, PartyFolder, Transcript, simulated_parties

STUDY = stats.Study(
    "three ways",
    columns=[stats.Number("age", 0, 100, unit="years"), stats.Category("sex", ("F", "M"))],
    queries=[stats.Count(), stats.Mean("age"), stats.Histogram("age", bins=2)],
    by="sex",
)


def table_of(partition):
    """Every group and bin has records enough."""
    number = 60 + 10 * partition
    ages = np.random.default_rng(partition).uniform(0, 100, number)
    return {
        "id": np.array([f"{partition}-{i}" for i in range(number)]),
        "age": np.round(ages, 2),
        "sex": np.where(np.arange(number) % 2, "F", "M"),
    }


DEAL_ANEW = flower_world._dealt.__wrapped__
TABLES = {name: table_of(i) for i, name in enumerate(NAMES)}


class StudyGrid(Grid):
    """A grid that knows its run, as Flower's do."""

    run = SimpleNamespace(run_id=1)


def grid_of(tables=TABLES, **settings):
    """A node for each table, which is told nothing but its partition, and its name."""
    given = {"ids": "id", "party": usual_party} | settings
    app = StudyClientApp(lambda context: tables[name_of(context)], **given)
    return StudyGrid({100 + i: (app, {"partition-id": i}) for i in range(len(NAMES))})


def settings_of(folder):
    """Of a server whose parties are in this folder."""
    return {
        "federation": folder / "federation.veil",
        "store": folder / "run",
        "identity": AGGREGATOR,
        "wait_seconds": 0,
    }


def party_in(folder):
    return lambda context: Party(folder / name_of(context), PASSPHRASE)


def dealt_for(folder, monkeypatch, noise=None):
    """A federation for the study, with the folders of its parties."""
    layout = stats.Layout(STUDY)
    monkeypatch.setattr(flower_world, "codec_of", lambda *_: layout.codec(len(NAMES)))
    # Kept for other tests' codec, and with it: neither may find the other's.
    monkeypatch.setattr(flower_world, "_dealt", DEAL_ANEW)
    return federation_of(folder, trust="authority", dim=layout.num_slots, noise=noise)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Where simulations keep their parties; of stored primes."""
    monkeypatch.setattr(simulation.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(simulated_parties, "generate_key", lambda *_, **__: shared_key().secret)
    for name in ("VEILSUM_PARTY", "VEILSUM_PASSPHRASE_FILE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / f"veilsum-simulations-{os.getuid()}"


def between_folders(folder, out, names=NAMES):
    """The same study as ``veilsum stats`` plays it; the result."""
    signed = (folder / "federation.veil").read_bytes()
    agreed = Federation.from_signed(signed, dealer=Federation.dealer_named_in(signed))
    announce(STUDY, agreed, AGGREGATOR, out=out, after=None)
    asked = StudyRound(out)
    for name in names:
        file = out.parent / f"{name}.csv"
        with file.open("w", newline="") as opened:
            writer = csv.writer(opened)
            writer.writerow(TABLES[name])
            writer.writerows(zip(*TABLES[name].values(), strict=True))
        member = PartyFolder(folder / name)
        answer_round(asked, member, passphrase=PASSPHRASE, table=file, ids="id")
    while True:
        state = AggregatorSide(asked, agreed, AGGREGATOR).go_on(close=False, level=0.95)
        if state.result is not None:
            return state.result
        for name in state.waiting_for:
            member = PartyFolder(folder / name)
            answer_round(asked, member, passphrase=PASSPHRASE, table=None, ids=None)


def with_authority(grid, folder):
    """The holder of the key is a node too."""
    app = StudyClientApp(lambda context: {}, party=party_in(folder))
    grid.nodes[200] = (app, {"partition-id": 99, "name": "authority"})
    return grid


def test_a_study_is_the_same_in_one_process_between_folders_and_in_flower(
    tmp_path, place, monkeypatch, caplog
):
    expected = json.loads(stats.run(STUDY, TABLES, key=shared_key().secret).to_json())
    grid, seen = grid_of(), tmp_path / "seen"
    caplog.set_level("INFO")
    found = SecureStudy(STUDY, simulation=True, artefacts=seen).start(grid)
    assert json.loads(found.to_json())["estimates"] == expected["estimates"]
    assert list(place.iterdir()) == []
    assert json.loads((seen / "round-000001.json").read_text()) == json.loads(found.to_json())
    kept = Transcript.from_bytes((seen / "round-000001.transcript").read_bytes())
    assert kept.descriptor.model_hash == stats.study_hash(STUDY)
    assert "60 of 60 records are in the study" in caplog.text

    folder = tmp_path / "dealt"
    dealt_for(folder, monkeypatch)
    again = between_folders(folder, tmp_path / "round")
    assert json.loads(again.to_json()) == expected
    # No table, and no sum of one site, is in a message.
    for reply in grid.replies:
        assert list(reply.content) == ["veilsum"]


def test_noise_is_charged_as_between_folders_and_a_spent_budget_answers_nothing(
    tmp_path, monkeypatch
):
    noise = stats.Layout(STUDY).noise(epsilon=2.0, delta=1e-6, honest_sites=2)
    spent = []
    for carrier in ("folders", "flower"):
        folder = tmp_path / carrier
        dealt_for(folder, monkeypatch, noise)
        if carrier == "folders":
            result = between_folders(folder, tmp_path / "round")
        else:
            grid = with_authority(grid_of(party=party_in(folder)), folder)
            result = SecureStudy(STUDY, **settings_of(folder)).start(grid)
        ledgers = [Ledger.open(folder / name / "privacy.sqlite") for name in NAMES]
        spent.append((result.epsilon, [ledger.spent for ledger in ledgers]))
    assert spent[0] == spent[1]
    assert spent[0][0] == pytest.approx(2, abs=1e-6)

    def unread(context):
        raise AssertionError

    for node in range(100, 100 + len(NAMES)):
        app = StudyClientApp(unread, party=party_in(folder))
        grid.nodes[node] = (app, grid.nodes[node][1])
    with pytest.raises(vs.ProtocolError, match="BudgetExhaustedError"):
        SecureStudy(STUDY, **settings_of(folder)).start(grid)


def test_a_refusal_is_laid_to_its_party_and_the_others_answers_are_kept(
    tmp_path, monkeypatch, caplog
):
    folder = tmp_path / "dealt"
    dealt_for(folder, monkeypatch)
    few = TABLES | {"party-1": {name: values[:3] for name, values in TABLES["party-1"].items()}}
    grid = with_authority(grid_of(few, party=party_in(folder)), folder)
    strict = StudyClientApp(lambda _: {}, ids="id", min_count=6, party=party_in(folder))
    ordinary = grid.nodes[102]
    grid.nodes[102] = (strict, ordinary[1])
    asking = SecureStudy(STUDY, **settings_of(folder))
    with pytest.raises(vs.ProtocolError, match="2 of 4 sites have answered") as told:
        asking.start(grid)
    assert "party-1: PolicyRefusedError: group 'F' has 1 records" in str(told.value)
    assert "party-2: PolicyRefusedError: the study has min_count 5" in str(told.value)
    assert "party-1 is left out: PolicyRefusedError" in caplog.text
    assert not any(m.metadata.message_type == "query.veilsum_open" for m in grid.sent)

    grid.sent.clear()
    few["party-1"] = TABLES["party-1"]
    grid.nodes[102] = ordinary
    found = SecureStudy(STUDY, **settings_of(folder)).start(grid)
    assert found.sites == NAMES
    asked = [m for m in grid.sent if m.metadata.message_type == "query.veilsum_study"]
    assert sorted(m.metadata.dst_node_id for m in asked) == [101, 102]  # The others had answered.


def test_a_study_app_does_nothing_else(tmp_path, monkeypatch):
    dealt_for(tmp_path / "dealt", monkeypatch)
    app = StudyClientApp(lambda _: {}, party=party_in(tmp_path / "dealt"))
    app.train()(lambda message, context: message)  # As somebody might add one.
    grid = Grid({100: (app, {"partition-id": 0})})
    message = flower_world.Message(flower_world.RecordDict(), dst_node_id=100, message_type="train")
    (reply,) = grid.send_and_receive([message])
    assert "answers studies, and no more" in reply.error.reason
    with pytest.raises(TypeError, match="columns"):
        StudyClientApp({})
    with pytest.raises(TypeError, match="store, identity; or simulation=True"):
        SecureStudy(STUDY, federation=tmp_path / "dealt" / "federation.veil")


def test_a_federation_of_another_study_is_refused_before_anybody_is_asked(tmp_path, monkeypatch):
    dealt_for(tmp_path / "dealt", monkeypatch)
    other = stats.Study("x", columns=[STUDY.columns[0]], queries=[stats.Mean("age")])
    with pytest.raises(vs.InvalidArgumentError, match="deal with --study"):
        SecureStudy(other, **settings_of(tmp_path / "dealt"))
    server = Identity.generate("another")
    with pytest.raises(vs.InvalidArgumentError, match="identity"):
        SecureStudy(STUDY, **(settings_of(tmp_path / "dealt") | {"identity": server}))
