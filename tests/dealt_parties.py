"""Parties set up by the commands, as operators do it; for tests only."""

import json
from pathlib import Path

import pytest
from known_keys import known_key
from shared_keys import shared_key
from typer.testing import CliRunner
from veilsum import keyfile
from veilsum.cli import app, keygen

PASSPHRASE = "five words and no more"
CONTRIBUTORS = ("ann", "bob", "cyd")
HOLDERS = tuple(f"holder-{i}" for i in range(1, 6))


def quick(patch, folder):
    """Passphrases from a file, cheap to check; stored primes in the place of new ones."""
    file = Path(folder) / "passphrase"
    file.write_text(PASSPHRASE + "\n")
    patch.setenv("VEILSUM_PASSPHRASE_FILE", str(file))
    patch.setattr(keyfile, "_LOG2_COST", 14)
    patch.setattr(keygen, "generate_key", stored_key)


def stored_key(bits, *, safe_primes):
    assert bits >= 2048
    return shared_key().secret if safe_primes else known_key(2048).secret


def veilsum(*arguments, **options):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], **options)


def done(*arguments, **options):
    """What a command that succeeds prints, as JSON."""
    result = veilsum(*arguments, "--json", **options)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def refused(*arguments, code=2, **options):
    """The one line of a command that fails."""
    result = veilsum(*arguments, **options)
    assert result.exit_code == code, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    return lines[0]


def enrol_all(folder):
    """Everybody's identity, and the enrolments as they arrive at the dealer's."""
    for name in (*CONTRIBUTORS, *HOLDERS, "dealer", "aggregator"):
        done("enrol", name, "--out", folder / name)
        where = "contributors" if name in CONTRIBUTORS else "holders"
        if name not in ("dealer", "aggregator"):
            (folder / where).mkdir(exist_ok=True)
            (folder / name / f"{name}.enrolment").rename(folder / where / f"{name}.enrolment")


def deal_options(folder, trust="threshold"):
    holders = {
        "threshold": ("--holders", folder / "holders"),
        "authority": ("--holders", folder / "holders" / "holder-1.enrolment"),
        "contributors": (),
    }
    return (
        *("deal", "--identity", folder / "dealer" / "dealer.identity"),
        *("--contributors", folder / "contributors", *holders[trust], "--trust", trust),
        *("--dim", "40", "--clip", "1", "--bits", "2048", "--chunk-size", "2"),
        *("--aggregator", folder / "aggregator" / "aggregator.enrolment", "--colluding", "0"),
    )


def deal(folder, out, *options, trust="threshold"):
    passphrases = out.with_name(f"{out.name}-passphrases")
    return done(
        *deal_options(folder, trust),
        *("--out", out, "--passphrase-dir", passphrases, "--yes"),
        *options,
    )


def enrolled_and_dealt(folder):
    """All are enrolled in the folder, and one federation with noise is dealt."""
    with pytest.MonkeyPatch.context() as patch:
        quick(patch, folder)
        enrol_all(folder)
        return deal(folder, folder / "dealt", "--epsilon", "4", "--rounds", "3")


def join_options(folder, dealt, name, hash_text, *, share=None):
    options = ["join", dealt / "federation.veil", "--hash", hash_text]
    options += ["--identity", folder / name / f"{name}.identity"]
    if share is not None:
        options += ["--share", dealt / share, "--share-passphrase-file"]
        options += [dealt.with_name(f"{dealt.name}-passphrases") / f"{name}.passphrase"]
    return options


def look(*arguments):
    (seen,) = done("inspect", *arguments)
    return seen


def failure(*arguments):
    """The name of the error, of a file that does not verify."""
    result = veilsum("inspect", *arguments, "--json")
    assert result.exit_code == 1, result.output
    (seen,) = json.loads(result.stdout)
    assert seen["verified"] is False
    plain = veilsum("inspect", *arguments)
    assert plain.exit_code == 1
    assert f"{seen['error']['name']}: " in plain.stdout
    return seen["error"]["name"]
