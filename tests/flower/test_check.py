"""``veilsum flower check``: each fault that it should find is planted."""

import datetime
import itertools
import json
import os
import sys
from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from flower_world import (
    AGGREGATOR,
    DIM,
    INITIAL,
    NAMES,
    PASSPHRASE,
    client_app,
    federation_of,
    grid_of,
    initial_record,
    strategy,
)
from shared_keys import shared_key
from typer.testing import CliRunner
from veilsum import keyfile
from veilsum.cli import app
from veilsum.integrations.flower import SecureMod, on_line
from veilsum.integrations.setup_check import server as server_checks
from veilsum.integrations.setup_check.agreement import check_agreement
from veilsum.integrations.setup_check.update import check_update, check_weights
from veilsum.integrations.weights import WeightsByCount
from veilsum.privacy import GaussianNoise
from veilsum.secure_sum import FolderStore, Identity, PartyFolder, simulated_parties
from veilsum.secure_sum.simulated_parties import SimulatedParties

ONLINE = '{"status": "online"}'
NUMBERS = itertools.count()
CLIENT_APP = """
from flwr.app import ArrayRecord, Array, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from veilsum.integrations.flower import SecureClientApp, SecureMod

print("this is none of the answer")
app = {app}

@app.train()
def train(message, context):
    print("nor is this")
    {first}
    model = {{
        name: Array(array.numpy() + array.numpy().dtype.type(message.content["config"]["lr"]))
        for name, array in message.content["arrays"].items()
    }}
    metrics = MetricRecord({{"num-examples": context.node_config["images"]}})
    content = RecordDict({{"arrays": ArrayRecord(model), "metrics": metrics}})
    return Message(content, reply_to=message)
"""
APP = "SecureClientApp(max_examples=40, min_examples=10)"


@pytest.fixture(autouse=True)
def quiet(tmp_path, monkeypatch):
    """No parties of this machine's, cheap passphrases, and modules of apps that go again."""
    for name in ("VEILSUM_PARTY", "VEILSUM_PASSPHRASE_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(keyfile, "_LOG2_COST", 14)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "words").write_text(PASSPHRASE + "\n")
    (tmp_path / "words").chmod(0o600)
    np.savez(tmp_path / "before.npz", **INITIAL)


def check(*options):
    """The verdicts, by what was checked; and the exit code is that of the worst."""
    result = CliRunner().invoke(app, ["flower", "check", *map(str, options), "--json"])
    assert result.exit_code in (0, 1), result.output
    found = json.loads(result.stdout)
    verdicts = {one["check"]: one for one in found["checks"]}
    assert len(verdicts) == len(found["checks"])
    errors = [name for name, one in verdicts.items() if one["status"] == "error"]
    assert found["passed"] == (not errors) == (result.exit_code == 0)
    return verdicts


def node(folder, *options, party=NAMES[0]):
    words = ("--passphrase-file", folder / "words")
    return check("--party", folder / party, *words, *options)


def server(folder, *options):
    words = ("--passphrase-file", folder / "words")
    return check("--federation", folder / "federation.veil", *words, *options)


def app_in(folder, app=APP, first="pass"):
    """A folder of an app, whose module has a name that no other test has imported."""
    module = f"app_{next(NUMBERS)}"
    place = folder / module
    place.mkdir()
    (place / f"{module}.py").write_text(CLIENT_APP.format(app=app, first=first))
    (place / "pyproject.toml").write_text(
        f'[tool.flwr.app.components]\nclientapp = "{module}:app"\n[tool.flwr.app.config]\na.b = 1\n'
    )
    return place


def trained_once(folder, place, images=20, lr=0.5):
    model = ("--app", place, "--before", folder / "before.npz")
    return node(folder, *model, "--node-config", f"images={images}", "--train-config", f"lr={lr}")


# ---- a node ----


def test_a_node_without_fault_passes(tmp_path):
    federation = federation_of(tmp_path)
    digits = federation.hash.hex()
    found = node(tmp_path, "--hash", digits)
    assert {one["status"] for name, one in found.items() if name != "secrets"} == {"ok"}
    assert found["named by"]["facts"] == {"source": "--node-config"}
    assert found["party"]["facts"]["roles"] == ["contributor", "holder"]
    assert "as the dealer told" in found["federation"]["says"]
    assert found["rounds as holder"]["facts"] == {"answered": 0, "last": 0}
    assert PASSPHRASE not in json.dumps(found)
    # For people, a line each.
    words = ("--party", tmp_path / NAMES[0], "--passphrase-file", tmp_path / "words")
    shown = CliRunner().invoke(app, ["flower", "check", *map(str, words)])
    assert shown.exit_code == 0
    assert len(shown.stdout.splitlines()) == len(found)
    assert shown.stdout.startswith("ok      versions: flwr ")


def test_how_secrets_are_opened_is_told(tmp_path, monkeypatch):
    federation_of(tmp_path)
    slow = node(tmp_path)["secrets"]
    assert (slow["status"], slow["facts"]["machine_key"]) == ("warning", False)
    assert "--machine-key" in slow["cure"]
    monkeypatch.setattr(simulated_parties, "generate_key", lambda *_, **__: shared_key().secret)
    made = SimulatedParties.make(tmp_path / "made", 2, dim=DIM)
    fast = check("--party", made.party(0), "--passphrase-file", made.key_file)["secrets"]
    assert (fast["status"], fast["facts"]["machine_key"]) == ("ok", True)


def test_another_passphrase_is_found(tmp_path):
    federation_of(tmp_path)
    (tmp_path / "words").write_text("other words\n")
    found = node(tmp_path)["secrets"]
    assert (found["status"], found["facts"]["error"]) == ("error", "PassphraseError")


def test_files_that_other_users_read_are_found(tmp_path):
    federation_of(tmp_path)
    for path in (tmp_path / NAMES[0], tmp_path / "words"):
        path.chmod(0o755)
        found = node(tmp_path)["privacy of files"]
        path.chmod(0o700)
        assert (found["status"], found["facts"]["paths"]) == ("warning", [str(path)])


def test_another_federation_is_found(tmp_path):
    federation_of(tmp_path)
    for found in (node(tmp_path, "--hash", "00" * 32), server(tmp_path, "--hash", "00" * 32)):
        assert found["federation"]["status"] == "error"


@pytest.mark.parametrize(("days", "status"), [(-1, "error"), (3, "warning"), (14, "ok")])
def test_the_last_day_is_found(tmp_path, days, status):
    today = datetime.datetime.now(datetime.timezone.utc).date()
    ends = replace(federation_of(tmp_path), last_day=today + datetime.timedelta(days=days))
    _, found = check_agreement(ends, expected_hash=None)
    assert (found.check, found.status.value) == ("last day", status)


def test_a_party_that_nobody_names_is_found(tmp_path):
    found = check()
    assert found["party"]["status"] == "error"
    assert "party.toml" in found["party"]["says"]
    federation_of(tmp_path)
    (tmp_path / "config" / "veilsum").mkdir(parents=True)
    (tmp_path / "config" / "veilsum" / "party.toml").write_text(
        "\n".join(
            f'[parties.{name}]\nfolder = "{tmp_path / name}"\n'
            f'passphrase-file = "{tmp_path / "words"}"'
            for name in NAMES[:2]
        )
    )
    assert check("--name", NAMES[1])["party"]["facts"]["name"] == NAMES[1]
    assert check()["party"]["status"] == "error"  # Which of the two?
    assert check("--name", "another")["party"]["status"] == "error"


def test_a_folder_that_is_no_party_is_found(tmp_path):
    federation_of(tmp_path)
    (tmp_path / NAMES[0] / "contributor-rounds.sqlite").unlink()
    found = node(tmp_path)["rounds as contributor"]
    assert (found["status"], found["facts"]["error"]) == ("error", "LedgerError")
    (tmp_path / NAMES[0] / "federation.veil").unlink()
    assert node(tmp_path)["party"]["status"] == "error"


def test_rounds_and_a_spent_budget_are_found(tmp_path):
    noise = GaussianNoise(
        epsilon=200.0, delta=1e-6, rounds=1, norm_bound=1.0, honest_contributors=1
    )
    federation_of(tmp_path, "contributors", noise=noise)
    fresh = node(tmp_path)["privacy budget"]
    assert (fresh["status"], fresh["facts"]["contributions"]) == ("ok", 0)
    strategy(tmp_path).start(grid_of(client_app(tmp_path)), initial_record(), num_rounds=1)
    found = node(tmp_path)
    assert found["rounds as contributor"]["facts"] == {"answered": 1, "last": 1}
    spent = found["privacy budget"]
    assert (spent["status"], spent["facts"]["error"]) == ("error", "BudgetExhaustedError")
    done = server(tmp_path, "--store", tmp_path / "run")["store"]
    assert (done["status"], done["facts"]["num_done"]) == ("ok", 1)
    assert PartyFolder(tmp_path / NAMES[0]).privacy_ledger.spent.num_contributions == 1


# ---- a model and an app ----


def test_another_dimension_is_found(tmp_path):
    federation_of(tmp_path)
    np.savez(tmp_path / "wrong.npz", weights=np.zeros(3))
    for found in (
        node(tmp_path, "--before", tmp_path / "wrong.npz"),
        server(tmp_path, "--before", tmp_path / "wrong.npz"),
    ):
        assert found["dimension"]["status"] == "error"
        assert "--dim 3" in found["dimension"]["cure"]


@pytest.mark.parametrize(
    ("change", "status", "cure"),
    [(0.5, "ok", ""), (2.0, "warning", "larger --clip"), (1e-6, "warning", "smaller --clip")],
)
def test_a_clip_that_does_not_suit_an_update_is_found(tmp_path, change, status, cure):
    federation_of(tmp_path)
    after = {name: array + np.asarray(change, array.dtype) for name, array in INITIAL.items()}
    np.savez(tmp_path / "after.npz", **after)
    models = ("--before", tmp_path / "before.npz", "--after", tmp_path / "after.npz")
    found = node(tmp_path, *models)["clip"]
    assert found["status"] == status
    assert cure in found["cure"]
    assert found["facts"]["clipped"] == (1.0 if change == 2.0 else 0.0)
    np.savez(tmp_path / "after.npz", weights=INITIAL["weights"])
    assert node(tmp_path, *models)["update"]["status"] == "error"


def test_a_norm_bound_that_does_not_suit_an_update_is_found(tmp_path):
    noise = GaussianNoise(
        epsilon=200.0, delta=1e-6, rounds=1, norm_bound=1.0, honest_contributors=1
    )
    federation = federation_of(tmp_path, noise=noise)
    for value, status in ((0.1, "ok"), (0.9, "warning")):
        found = list(check_update(federation, np.full(DIM, value)))[1]
        assert (found.check, found.status.value) == ("norm bound", status)
        assert found.facts["norm"] == pytest.approx(value * DIM**0.5)


def test_a_dry_run_of_the_app_is_no_contribution(tmp_path):
    federation_of(tmp_path)
    before = SecureMod.__call__
    found = trained_once(tmp_path, app_in(tmp_path))
    assert {found[name]["status"] for name in ("app", "dimension", "dry run", "clip")} == {"ok"}
    assert found["clip"]["facts"]["largest"] == pytest.approx(0.5)
    assert "this node's 20 weigh 0.5" in found["weights"]["says"]
    assert SecureMod.__call__ is before
    assert node(tmp_path)["rounds as contributor"]["facts"]["answered"] == 0


def test_faults_of_an_app_are_found(tmp_path):
    federation_of(tmp_path)
    clear = trained_once(tmp_path, app_in(tmp_path, "ClientApp()"))["app"]
    assert (clear["status"], "SecureClientApp" in clear["cure"]) == ("error", True)
    mod = app_in(tmp_path, f"ClientApp(mods=[SecureMod({APP[16:-1]})])")
    assert trained_once(tmp_path, mod)["weights"]["status"] == "ok"
    fails = trained_once(tmp_path, app_in(tmp_path, first="1 / 0"))["dry run"]
    assert (fails["status"], "ZeroDivisionError" in fails["says"]) == ("error", True)
    for wrong in ("1 / 0", "7"):
        assert trained_once(tmp_path, app_in(tmp_path, wrong))["app"]["status"] == "error"
    for text in ("", "[", "[tool.flwr.app.components]\nclientapp = 3\n"):
        (mod / "pyproject.toml").write_text(text)
        assert trained_once(tmp_path, mod)["app"]["status"] == "error"
    assert trained_once(tmp_path, tmp_path / "nowhere")["app"]["status"] == "error"


def test_weights_that_were_not_dealt_for_are_found(tmp_path):
    federation = federation_of(tmp_path)
    wide = APP.replace("40", "40_000")
    assert trained_once(tmp_path, app_in(tmp_path, wide))["weights"]["status"] == "error"
    few = trained_once(tmp_path, app_in(tmp_path), images=3)["weights"]
    assert (few["status"], "min_examples" in few["says"]) == ("error", True)
    alike = check_weights(federation, WeightsByCount(None, 1, "examples"), None)
    assert alike.status.value == "ok"


# ---- the server ----


def test_a_server_without_fault_passes(tmp_path):
    federation_of(tmp_path)
    given = ("--identity", tmp_path / "server.identity", "--store", tmp_path / "run")
    found = server(tmp_path, *given, "--before", tmp_path / "before.npz")
    assert {one["status"] for one in found.values()} == {"ok"}
    assert found["parties"]["facts"]["holders_needed"] == 3
    assert not (tmp_path / "run").exists()


def test_another_identity_is_found(tmp_path):
    federation_of(tmp_path)
    Identity.generate(AGGREGATOR.name).save(tmp_path / "other", passphrase=PASSPHRASE)
    found = server(tmp_path, "--identity", tmp_path / "other")["identity"]
    assert found["status"] == "error"
    assert "--aggregator" in found["says"]


def test_a_store_of_another_federation_or_in_use_is_found(tmp_path, monkeypatch):
    federation_of(tmp_path)
    grid = grid_of(client_app(tmp_path))
    strategy(tmp_path).start(grid, initial_record(), num_rounds=1)
    store = ("--store", tmp_path / "run")
    assert server(tmp_path, *store)["store"]["status"] == "ok"
    with closing(FolderStore(tmp_path / "run" / "round-000002")) as held:
        found = server(tmp_path, *store)["store"]
        assert (found["status"], found["facts"]["in_use"]) == ("warning", True)
        held.put("begun", "x", [])
    found = server(tmp_path, *store)["store"]
    assert (found["status"], found["facts"]["begun"]) == ("ok", 2)
    (tmp_path / "new").mkdir()
    federation_of(tmp_path / "new", "authority")
    (tmp_path / "new" / "words").write_text(PASSPHRASE)
    found = server(tmp_path / "new", *store)["store"]
    assert (found["status"], found["facts"]["error"]) == ("error", "ProtocolError")
    assert server(tmp_path, "--store", tmp_path / "words" / "run")["store"]["status"] == "error"
    nobody = SimpleNamespace(access=lambda *_: False, W_OK=os.W_OK)
    monkeypatch.setattr(server_checks, "os", nobody)
    assert server(tmp_path, "--store", tmp_path / "nowhere")["store"]["status"] == "error"


def test_a_file_that_is_no_federation_is_found(tmp_path):
    for path in (tmp_path / "words", tmp_path / "nowhere"):
        assert check("--federation", path)["federation"]["status"] == "error"


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (f'{{"success": true, "nodes": [{", ".join(3 * [ONLINE])}]}}', "ok"),
        (f'{{"nodes": [{ONLINE}, {{"status": "offline"}}]}}', "warning"),
        ('{"success": false, "error-message": "no such link"}', "error"),
        ('{"nodes": ', "error"),
        ("[]", "error"),
        ("", "error"),
    ],
)
def test_who_is_on_line_is_asked_by_flowers_own_command(tmp_path, monkeypatch, answer, status):
    federation_of(tmp_path)
    program = tmp_path / "flwr"
    program.write_text("#!/bin/sh\n[ \"$*\" = 'supernode list ours --format json' ] && cat <<END\n")
    with program.open("a") as file:
        file.write(f"A line before it.\n{answer}\nEND\n")
    program.chmod(0o700)
    monkeypatch.setattr(on_line, "sys", SimpleNamespace(executable=str(tmp_path / "python")))
    found = server(tmp_path, "--superlink", "ours")["on line"]
    assert found["status"] == status
    program.unlink()
    assert server(tmp_path, "--superlink", "ours")["on line"]["status"] == "error"


# ---- the command ----


@pytest.mark.parametrize(
    "options",
    [
        ["--identity", "a"],
        ["--store", "a"],
        ["--superlink", "a"],
        ["--federation", "a", "--party", "b"],
        ["--federation", "a", "--app", "b"],
        ["--hash", "00"],
        ["--before", "nowhere.npz"],
        ["--node-config", "a=[", "--party", "b"],
        ["--after", "before.npz"],
    ],
)
def test_options_that_make_no_sense_are_one_line(tmp_path, monkeypatch, options):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["flower", "check", *options])
    assert result.exit_code == 2, result.output
    assert len(result.stderr.strip().splitlines()) == 1
    assert result.stderr.startswith("veilsum flower check: ")
