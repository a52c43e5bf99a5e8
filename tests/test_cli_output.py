"""What commands print: nothing is cut on narrow terminals, and output that fails is one line."""

import os
import re
import subprocess
import sys
import typing
from pathlib import Path

import pytest
from dealt_parties import deal_options, done, enrolled_and_dealt, join_options, quick, veilsum
from veilsum import durable
from veilsum.cli import dealing
from veilsum.cli.app import deal, doctor, privacy

PRIVACY = ("privacy", "--dim", "1970", "--contributors", "100", "--epsilon", "4")
FULL = Path("/dev/full")
RUN_ID = re.compile("[0-9a-f]{32}")  # Random: each deal has another one.


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A dealt federation, and the folder of a party that has joined it."""
    folder = tmp_path_factory.mktemp("place")
    dealt = enrolled_and_dealt(folder)
    with pytest.MonkeyPatch.context() as patch:
        quick(patch, folder)
        done(*join_options(folder, folder / "dealt", "ann", dealt["hash"]), "--out", folder / "run")
    return folder


@pytest.fixture(autouse=True)
def quickly(monkeypatch, tmp_path):
    quick(monkeypatch, tmp_path)


def run(*arguments, **options):
    command = [sys.executable, "-m", "veilsum", *map(str, arguments)]
    return subprocess.run(command, **{"stderr": subprocess.PIPE, "text": True, **options})


def words_of(text):
    return set(re.findall(r"[\w.:%/^,-]+", text))


def squeezed(text):
    return re.sub(r"\s", "", text)


# ---- narrow terminals ----


@pytest.mark.parametrize("columns", ["0", "00", "-5", "\N{SUPERSCRIPT TWO}", "wide", ""])
@pytest.mark.parametrize("arguments", [PRIVACY, ("--help",)])
def test_a_width_that_is_none_is_taken_for_unknown(columns, arguments):
    unknown, odd = (
        run(*arguments, env=environment, stdout=subprocess.PIPE)
        for environment in (
            {name: value for name, value in os.environ.items() if name != "COLUMNS"},
            os.environ | {"COLUMNS": columns},
        )
    )
    assert odd.returncode == 0
    assert odd.stdout == unknown.stdout != ""


def printed(monkeypatch, columns, *arguments, **options):
    monkeypatch.setenv("COLUMNS", str(columns))
    return veilsum(*arguments, **options).stdout


@pytest.mark.parametrize("columns", [16, 20, 28, 40])
@pytest.mark.parametrize("what", ["privacy", "laplace", "federation", "folder", "ledger", "deal"])
def test_a_narrow_terminal_wraps_and_cuts_nothing(place, tmp_path, monkeypatch, what, columns):
    arguments = {
        "privacy": (*PRIVACY, "--fraction", "0.1"),
        "laplace": (*PRIVACY, "--noise", "laplace"),
        "federation": ("inspect", place / "dealt" / "federation.veil"),
        "folder": ("inspect", place / "run"),
        "ledger": ("inspect", place / "run" / "privacy.sqlite"),
        "deal": (*deal_options(place), "--out", tmp_path / "d", "--passphrase-dir", tmp_path / "w"),
    }[what]
    wide = printed(monkeypatch, 300, *arguments, input="n\n")
    narrow = printed(monkeypatch, columns, *arguments, input="n\n")
    assert "\u2026" not in narrow
    assert len(words_of(wide)) > 10
    lost = {word for word in words_of(wide) if word not in squeezed(narrow)}
    assert {word for word in lost if not RUN_ID.fullmatch(word)} == set()
    if what in ("privacy", "laplace"):
        assert max(map(len, narrow.splitlines())) <= columns


@pytest.mark.parametrize("command", [None, deal, privacy])
def test_the_help_of_a_narrow_terminal_is_not_cut(command):
    name = () if command is None else (command.__name__,)
    result = run(*name, "--help", stdout=subprocess.PIPE, env=os.environ | {"COLUMNS": "20"})
    assert result.returncode == 0
    assert "\u2026" not in result.stdout
    if command is None:
        texts = [module.__doc__.split("\n")[0] for module in (deal, privacy, doctor)]
    else:
        hints = typing.get_type_hints(command, include_extras=True).values()
        texts = [hint.__metadata__[0].help for hint in hints if hasattr(hint, "__metadata__")]
        assert len(texts) > 10
    assert [text for text in texts if squeezed(text) not in squeezed(result.stdout)] == []


# ---- output that cannot be written ----


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full")
@pytest.mark.parametrize(
    "arguments",
    [("doctor",), ("doctor", "--json"), PRIVACY, ("--help",), ("deal", "--help"), ("inspect",)],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_a_full_device_is_one_line_and_exit_code_1(place, arguments):
    if arguments == ("inspect",):
        arguments = ("inspect", place / "dealt" / "federation.veil")
    with open(FULL, "w") as full:
        result = run(*arguments, stdout=full)
        assert result.returncode == 1
        (line,) = result.stderr.splitlines()
        assert line == "veilsum: the output cannot be written: No space left on device"
    if arguments == ("doctor",):
        with open(FULL, "w") as full:
            assert run(*arguments, stdout=full, stderr=full).returncode == 1


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full")
def test_what_was_made_stays_when_nobody_can_be_told(tmp_path):
    options = ("--out", tmp_path, "--passphrase-file", tmp_path / "passphrase")
    with open(FULL, "w") as full:
        result = run("enrol", "ann", *options, stdout=full)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "what was made stays" in result.stderr
    assert str(tmp_path / "ann.identity") in result.stderr
    assert {path.name for path in tmp_path.glob("ann.*")} == {"ann.identity", "ann.enrolment"}


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("form", [(), ("--json",)])
def test_keys_that_were_written_are_named_when_nobody_can_be_told(place, tmp_path, form):
    words = ("--passphrase-file", place / "passphrase")
    deal = (
        *deal_options(place, "authority"),
        "--yes",
        *words,
        "--passphrase-dir",
        tmp_path / "words",
    )
    for arguments, made in (
        (("keygen", "k", "--bits", "2048", *words, "--out", tmp_path), ("k.key", "k.public")),
        ((*deal, "--out", tmp_path / "dealt"), ("dealt", "words")),
    ):
        with open(FULL, "w") as full:
            result = run(*arguments, *form, stdout=full)
        assert result.returncode == 1
        line = result.stderr.splitlines()[-1]  # Before it, how long the search for primes took.
        assert "the output cannot be written: No space left on device; " in line
        for name in made:
            assert (tmp_path / name).exists()
            assert str(tmp_path / name) in line


@pytest.mark.parametrize("arguments", [("doctor",), (*PRIVACY, "--json"), ("--help",)])
def test_a_reader_that_is_gone_is_no_error_that_anybody_reads(arguments):
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as closed:
        result = run(*arguments, stdout=closed)
    assert result.returncode == 1
    assert result.stderr == ""


def test_no_standard_output_at_all_is_no_traceback():
    command = 'exec "$0" -m veilsum doctor >&-'
    result = subprocess.run(
        ["/bin/sh", "-c", command, sys.executable], stderr=subprocess.PIPE, text=True
    )
    assert "Traceback" not in result.stderr
    assert result.returncode == 0


# ---- commands that fail halfway ----


def fail(*arguments, **options):
    raise OSError("no space left")


@pytest.mark.parametrize(
    ("name", "writer"),
    [("enrol", "cli.enrol.write_file"), ("keygen", "paillier.public_key.write_file")],
)
def test_a_secret_does_not_stay_where_its_public_part_could_not_be_written(
    tmp_path, monkeypatch, name, writer
):
    with monkeypatch.context() as patch:
        patch.setattr(f"veilsum.{writer}", fail)
        result = veilsum(name, "ann", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert not (tmp_path / "out").exists()
    done(name, "ann", "--out", tmp_path / "out")


def test_passphrases_do_not_stay_of_a_deal_that_failed_at_its_end(place, tmp_path, monkeypatch):
    rename = os.rename

    def full_at_last(source, target):
        if Path(target).name == "dealt":
            raise OSError("no space left")
        rename(source, target)

    monkeypatch.setattr(durable.os, "rename", full_at_last)
    options = ("--out", tmp_path / "dealt", "--passphrase-dir", tmp_path / "words", "--yes")
    assert veilsum(*deal_options(place), *options).exit_code == 2
    assert dealing.new_folder is durable.new_folder
    assert sorted(path.name for path in tmp_path.iterdir()) == ["passphrase"]
