"""The program ``veilsum`` itself: version, help, completion; what fails before any long work."""

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import veilsum as vs
from dealt_parties import deal_options, enrolled_and_dealt, join_options, quick, refused, veilsum
from typer.testing import CliRunner
from veilsum.cli import app, speeds

COMMANDS = sorted(command.name or command.callback.__name__ for command in app.registered_commands)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("place")
    return folder, enrolled_and_dealt(folder)


@pytest.fixture(autouse=True)
def quickly(monkeypatch, tmp_path):
    quick(monkeypatch, tmp_path)


def run(*command, **environment):
    return subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=True
    ).stdout


# ---- version, help, completion ----


def test_version_is_told_as_a_command_and_as_a_module():
    line = f"veilsum {version('veilsum')}\n"
    assert run(Path(sys.executable).with_name("veilsum"), "--version") == line
    assert run(sys.executable, "-m", "veilsum", "--version") == line


@pytest.mark.parametrize("command", [None, *(name for name in COMMANDS if name != "demo")])
@pytest.mark.parametrize("columns", ["20", "40", "100"])
def test_h_is_help_on_terminals_of_any_width(monkeypatch, command, columns):
    monkeypatch.setenv("COLUMNS", columns)
    words = [] if command is None else [command]
    short, long = (veilsum(*words, option) for option in ("-h", "--help"))
    assert short.exit_code == 0
    assert short.stdout == long.stdout
    assert "Usage" in short.stdout


def test_help_names_every_command_and_option():
    result = veilsum("--help")
    for name in (*COMMANDS, "--version", "--install-completion", "--show-completion"):
        assert name in result.stdout


def test_shells_complete_commands():
    offered = run(
        Path(sys.executable).with_name("veilsum"),
        _VEILSUM_COMPLETE="complete_bash",
        COMP_WORDS="veilsum ",
        COMP_CWORD="1",
    )
    assert set(COMMANDS) <= set(offered.split())


# ---- what fails at once ----


def never(*arguments, **options):
    raise AssertionError("this is too late to fail")


@pytest.fixture
def no_work(monkeypatch):
    """Neither a passphrase is asked for or hashed, nor a key made, nor a figure computed."""
    monkeypatch.delenv("VEILSUM_PASSPHRASE_FILE")
    monkeypatch.setattr("typer.prompt", never)
    for name in ("keygen.generate_key", "keygen.new_passphrase", "deal.known_passphrase"):
        monkeypatch.setattr(f"veilsum.cli.{name}", never)
    for name in ("enrol.new_passphrase", "join.known_passphrase", "privacy.plan"):
        monkeypatch.setattr(f"veilsum.cli.{name}", never)


def commands_that_write(place, out):
    folder, dealt = place
    words = out.with_name("words")
    return {
        "keygen": ("keygen", "k", "--out", out),
        "enrol": ("enrol", "ann", "--out", out),
        "deal": (*deal_options(folder), "--out", out, "--passphrase-dir", words, "--yes"),
        "deal's passphrases": (
            *(*deal_options(folder), "--out", folder / "new", "--yes", "--passphrase-dir", out),
        ),
        "join": (*join_options(folder, folder / "dealt", "ann", dealt["hash"]), "--out", out),
        "privacy": (
            *("privacy", "--dim", "10", "--contributors", "5", "--epsilon", "1"),
            *("--plot", out / "plot.png"),
        ),
    }


WRITERS = ["keygen", "enrol", "deal", "deal's passphrases", "join", "privacy"]


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("where", ["in a file", "in a folder that nobody can write"])
def test_a_folder_that_cannot_be_written_is_refused_before_any_work(place, tmp_path, name, where):
    (tmp_path / "file").write_bytes(b"")
    out = Path("/proc/new") if "folder" in where else tmp_path / "file" / "new"
    if not out.parent.exists():
        pytest.skip("there is no /proc")
    before = sorted(tmp_path.rglob("*"))
    line = refused(*commands_that_write(place, out)[name])
    assert str(out) in line
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize("name", [name for name in WRITERS if name != "privacy"])
def test_looking_whether_a_folder_can_be_written_leaves_nothing(place, tmp_path, name):
    out = tmp_path / "above" / "new"
    result = veilsum(*commands_that_write(place, out)[name])
    assert str(result.exception) == "this is too late to fail"
    assert list(tmp_path.iterdir()) == [tmp_path / "passphrase"]


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize(
    ("name", "option"), [("deal", "--identity"), ("join", "--identity"), ("join", "--share")]
)
def test_a_secret_that_is_not_there_is_missed_before_any_work(place, tmp_path, name, option):
    arguments = commands_that_write(place, tmp_path / "new")[name]
    line = refused(*arguments, option, tmp_path / "nowhere")
    assert str(tmp_path / "nowhere") in line


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize("command", [("keygen", "k"), ("bench",)])
def test_a_size_that_no_key_has_is_refused_before_any_work(tmp_path, command):
    assert "--bits is 2049" in refused(*command, "--bits", "2049")


# ---- bench ----


def bench(*options, **environment):
    return CliRunner(env=environment).invoke(app, ["bench", "--seconds", "0.01", *options])


def test_bench_measures_everything(monkeypatch):
    monkeypatch.setattr(speeds, "_NUM_SAMPLES", 1000)
    found = json.loads(bench("--json").stdout)
    assert found["key_bits"] == 2048
    assert found["kernel"] == vs.cpu()["kernel"]
    speed = {row["what"]: row for row in found["speeds"]}
    assert list(speed) == ["encrypt", "decrypt", "add", "Gaussian noise"]
    for row in speed.values():
        assert row["times"] == row["veilsum"] / row["other"]
    assert speed["add"]["veilsum"] > speed["decrypt"]["veilsum"] > 0
    assert {row["other_name"] for row in speed.values()} == {"phe", "numpy"}


@pytest.mark.parametrize("columns", ["20", "40", "120"])
def test_bench_without_python_paillier_says_how_to_get_it(monkeypatch, columns):
    monkeypatch.setattr(speeds, "_NUM_SAMPLES", 1000)
    monkeypatch.setitem(sys.modules, "phe", None)
    result = bench(COLUMNS=columns)
    assert result.exit_code == 0
    assert max(map(len, result.stdout.splitlines())) <= int(columns)
    assert "pip install phe gmpy2" in " ".join(result.stdout.split())
    assert [row["other"] is None for row in json.loads(bench("--json").stdout)["speeds"]] == [
        *(True, True, True, False),
    ]


def test_a_library_that_computes_wrong_is_not_timed(monkeypatch):
    monkeypatch.setattr(vs.SecretKey, "decrypt", lambda self, ciphertexts: [0])
    line = bench().stderr.splitlines()[-1]
    assert "veilsum decrypts other values than were encrypted" in line


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "61"])
def test_a_time_that_is_none_is_refused(seconds):
    assert "--seconds" in refused("bench", "--seconds", seconds)


def test_a_speed_is_the_median_after_a_first_call(monkeypatch):
    now = iter([0.0, 0.0, 1.0, 1.0, 9.0, 9.0, 11.0, 11.0])
    calls = []
    monkeypatch.setattr("veilsum.cli.speeds.time.perf_counter", lambda: next(now))
    assert speeds.per_second(lambda: calls.append(None), 6, 5.0) == 3.0
    assert len(calls) == 4
