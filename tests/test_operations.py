"""docs/operations.md: its commands and its Python run, in order, and give a sum that verifies."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from dealt_parties import PASSPHRASE, done, quick, veilsum

PAGE = Path(__file__).resolve().parent.parent / "docs" / "operations.md"


def run_page(folder):
    """Every line of the page; the postman of the first files is here."""
    names = {"passphrase": PASSPHRASE}
    hash_text = None
    text = PAGE.read_text()
    for block in re.finditer(r"^```(console|python)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        if block[1] == "python":
            names["pinned"] = bytes.fromhex(hash_text)
            line = text.count("\n", 0, block.start(2))
            exec(compile("\n" * line + block[2], str(PAGE), "exec"), names)
            continue
        for command in block[2].splitlines():
            prompt, program, *arguments = shlex.split(command)
            assert (prompt, program) == ("$", "veilsum")
            deals = arguments[0] == "deal" and "--renew" not in arguments
            if deals:
                arguments += ["--bits", "2048"]
                send_enrolments(folder)
            arguments = [hash_text if word == "HASH" else word for word in arguments]
            result = veilsum(*arguments, input="y\n")
            assert result.exit_code == 0, (line, result.output)
            if deals:
                (seen,) = done("inspect", "dealt/federation.veil")
                hash_text = seen["federation_hash"]
                assert hash_text in result.stdout.replace(" ", "").replace("\n", "")
    return names, hash_text


def send_enrolments(folder):
    for kind, pattern in (("contributors", "hospital-*"), ("holders", "holder-*")):
        (folder / kind).mkdir()
        for file in folder.glob(f"{pattern}/*.enrolment"):
            file.rename(folder / kind / file.name)


def check(names, hash_text):
    result = names["result"]
    assert result.contributors == ("hospital-a", "hospital-c")
    assert np.isfinite(result.sum.values).all()
    pinned = ("--federation", "dealt/federation.veil", "--hash", hash_text)
    (seen,) = done("inspect", "round-1.transcript", *pinned)
    assert seen["verified"] is True
    assert [row["contributor"] for row in seen["contributions"]] == ["hospital-a", "hospital-c"]
    assert len(seen["holders"]) == 4
    (renewed,) = done("inspect", "renewed/federation.veil")
    assert renewed["serial"] == 2
    hospital, holder, absent = done(
        "inspect", "hospital-a/run-1", "holder-1/run-1", "holder-2/run-1"
    )
    assert hospital["federation_hash"] == renewed["federation_hash"]
    assert hospital["last_round_as_contributor"] is None  # Of the new run.
    assert hospital["spent"]["contributions"] == 1
    assert hospital["budget"] == {"epsilon": 8.0, "delta": 1e-6}
    assert holder["last_round_as_holder"] == 1
    assert absent["last_round_as_holder"] is None
    assert "privacy_ledger" in json.loads(Path("hospital-a/run-1/party.json").read_text())


def test_the_page_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    quick(monkeypatch, tmp_path)
    check(*run_page(tmp_path))


@pytest.mark.slow
def test_the_page_runs_with_a_new_key(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "passphrase").write_text(PASSPHRASE)
    monkeypatch.setenv("VEILSUM_PASSPHRASE_FILE", str(tmp_path / "passphrase"))
    check(*run_page(tmp_path))
