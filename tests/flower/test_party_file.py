"""A node's party by a file of its operator; what whoever starts a run may choose, and may not."""

import logging
import os

import pytest
from flower_world import (
    NAMES,
    PASSPHRASE,
    client_app,
    context,
    federation_of,
    grid_of,
    initial_record,
    strategy,
)
from flwr.app import Context, RecordDict
from veilsum.errors import InvalidArgumentError, MalformedDataError, PassphraseError
from veilsum.integrations.flower.party import configured_party
from veilsum.integrations.flower.simulation import usual_party


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The folder of party.toml, of a user whose environment names nothing."""
    for name in ("VEILSUM_PARTY", "VEILSUM_PASSPHRASE_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    folder = tmp_path / "config" / "veilsum"
    folder.mkdir(parents=True)
    (tmp_path / "words").write_text(PASSPHRASE + "\n")
    return folder


def listed(home, *names):
    """Have the operator list these parties."""
    place = home.parents[1]
    tables = [
        f'[parties.{name}]\nfolder = "{place}/{name}"\npassphrase-file = "{place}/words"\n'
        for name in names
    ]
    (home / "party.toml").write_text("\n".join(tables))
    (home / "party.toml").chmod(0o600)


def run(_node=1, _config=None, **run_config):
    """What a node finds, as a server has started the run."""
    return Context(1, _node, _config or {}, RecordDict(), run_config)


def asking(name):
    return run(**{"veilsum-party": name})


def test_a_file_that_is_written_while_the_node_runs_names_its_party(home, caplog):
    with pytest.raises(InvalidArgumentError, match=r"party\.toml"):
        configured_party(run())
    listed(home, "trial-7")
    caplog.set_level(logging.INFO, "flwr.veilsum")
    folder = str(home.parents[1] / "trial-7")
    assert configured_party(run()) == (folder, PASSPHRASE.encode())
    assert f"the party of {folder}, by trial-7 in party.toml" in caplog.text
    assert PASSPHRASE not in caplog.text


def test_of_several_parties_the_run_names_one_and_only_by_its_name(home):
    listed(home, "trial-7", "trial-8")
    assert configured_party(asking("trial-8")).folder.endswith("/trial-8")
    for nobody in (run(), asking("")):
        with pytest.raises(InvalidArgumentError, match="names none of them"):
            configured_party(nobody)


def test_the_first_that_names_a_folder_wins(home, monkeypatch, caplog):
    caplog.set_level(logging.INFO, "flwr.veilsum")
    listed(home, "trial-7")
    words = str(home.parents[1] / "words")
    monkeypatch.setenv("VEILSUM_PARTY", "of the environment")
    with pytest.raises(PassphraseError):  # That of party.toml opens its own party alone.
        configured_party(run())
    monkeypatch.setenv("VEILSUM_PASSPHRASE_FILE", words)
    assert configured_party(run()).folder == "of the environment"
    given = {"veilsum-party": "of the node"}
    assert configured_party(run(_config=given)).folder == "of the node"
    assert [record.message.rsplit(" by ")[1] for record in caplog.records] == [
        "VEILSUM_PARTY",
        "--node-config",
    ]


def test_nodes_of_a_simulation_share_a_file_that_has_their_number_in_it(home):
    listed(home, "party-{partition-id}")
    (home / "party.toml").write_text(
        (home / "party.toml").read_text().replace("[parties.party-{partition-id}]", "[parties.all]")
    )
    assert configured_party(run(_config={"partition-id": 3})).folder.endswith("/party-3")
    for wrong in ({}, {"partition-id": "../x"}):
        with pytest.raises(InvalidArgumentError, match="partition-id"):
            configured_party(run(_config=wrong, **{"partition-id": "3"}))


# ---- what comes from the server ----


@pytest.mark.parametrize("wanted", ["words", "path", "../trial-7", "trial-8", "trial-7\n", "*"])
def test_a_run_cannot_point_a_node_at_what_its_operator_did_not_list(home, tmp_path, wanted):
    federation_of(tmp_path)
    (tmp_path / NAMES[0]).rename(tmp_path / "trial-8")  # There, and opened by the same words.
    listed(home, "trial-7")
    with pytest.raises(InvalidArgumentError, match="lists none of that name"):
        configured_party(asking(str(tmp_path / "trial-8") if wanted == "path" else wanted))
    # It is there to be had: whoever lists it is that party.
    listed(home, "trial-8")
    assert configured_party(asking("trial-8")).folder == str(tmp_path / "trial-8")


def test_no_other_key_of_the_run_is_read(home, tmp_path):
    (tmp_path / "others").write_text("another passphrase\n")
    listed(home, "trial-7")
    given = {"veilsum-passphrase-file": str(tmp_path / "others"), "partition-id": "../x"}
    assert configured_party(run(**given)).passphrase == PASSPHRASE.encode()


def test_a_run_chooses_nothing_where_a_node_was_started_for_one_folder(home, monkeypatch):
    listed(home, "trial-7")
    monkeypatch.setenv("VEILSUM_PASSPHRASE_FILE", str(home.parents[1] / "words"))
    for context_of_node in (
        run(_config={"veilsum-party": "a"}, **{"veilsum-party": "trial-7"}),
        run(_config={"veilsum-party": "a"}, **{"veilsum-party": "a"}),
    ):
        with pytest.raises(InvalidArgumentError, match="started for one folder"):
            configured_party(context_of_node)
    with pytest.raises(TypeError, match="veilsum-party of the run"):
        configured_party(run(**{"veilsum-party": 7}))


def test_a_node_answers_as_the_party_that_its_file_lists(home, tmp_path):
    federation_of(tmp_path)
    listed(home, NAMES[0])
    grid = grid_of(client_app(tmp_path))  # The others are told in another way.
    grid.nodes[100] = (client_app(tmp_path, party=usual_party), {"partition-id": 0})
    secure = strategy(tmp_path)
    secure.start(grid, initial_record(), num_rounds=1)
    assert secure.history[0].contributors == NAMES


# ---- a file that is not to be believed ----


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_not_believed(home, mode):
    listed(home, "trial-7")
    (home / "party.toml").chmod(mode)
    with pytest.raises(InvalidArgumentError, match="chmod go-w"):
        configured_party(run())
    (home / "party.toml").chmod(0o644)
    assert configured_party(run()).folder.endswith("trial-7")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "parties = 3",
        "[parties]",
        "[parties.a]",
        '[parties.a]\nfolder = "/a"',
        '[parties.a]\nfolder = "a"\npassphrase-file = "/b"',
        '[parties.a]\nfolder = 3\npassphrase-file = "/b"',
        '[parties.a]\nfolder = "/a\\u0000"\npassphrase-file = "/b"',
        '[parties.a]\nfolder = "/a"\npassphrase-file = "/b"\npassphrase = "c"',
        '[parties.a]\nfolder = "/a"\npassphrase-file = "/b"\n[party]',
        "[parties.a",
        "\udcff",
        "a = " + "[" * 5000,
        "#" * (1 << 16) + "\n",
    ],
)
def test_a_file_that_is_no_list_of_parties_is_refused(home, text):
    (home / "party.toml").write_bytes(text.encode(errors="surrogateescape"))
    (home / "party.toml").chmod(0o600)
    with pytest.raises(MalformedDataError, match=r"party\.toml"):
        configured_party(run())


def test_a_pipe_is_no_file(home):

    os.mkfifo(home / "party.toml", 0o600)
    with pytest.raises(MalformedDataError, match="no regular file"):
        configured_party(run())


def test_an_unset_or_relative_configuration_folder_is_that_of_the_user(home, monkeypatch):
    monkeypatch.setenv("HOME", str(home.parents[1]))
    (home.parent).rename(home.parents[1] / ".config")
    listed(home.parents[1] / ".config" / "veilsum", "trial-7")
    for value in ("", "config"):
        monkeypatch.setenv("XDG_CONFIG_HOME", value)
        assert configured_party(context(1)).folder.endswith("trial-7")
