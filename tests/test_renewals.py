"""Agreements that follow one another: what a party has pinned it never gives up for an older one.

Each attack first succeeds, with what stands against it taken away, and then is refused by name.
"""

import contextlib
import dataclasses
import datetime

import numpy as np
import protocol_parties as parties
import pytest
import veilsum as vs
from dealt_parties import (
    PASSPHRASE,
    deal,
    deal_options,
    done,
    enrol_all,
    join_options,
    quick,
    refused,
    veilsum,
)
from protocol_parties import NAMES, NOISE, NOISY_CODEC
from validation_rules import rule
from veilsum import durable, keyfile
from veilsum.cli import join
from veilsum.secure_sum import Federation, Identity, PartyFolder, RoundLedger, RunName, round_ledger

DEALER = parties.identity("dealer")
DAY = datetime.date(2998, 1, 1)


@pytest.fixture(autouse=True)
def cheap_scrypt(monkeypatch):
    monkeypatch.setattr(keyfile, "_LOG2_COST", 14)


@contextlib.contextmanager
def without(place, name, replacement=lambda *_, **__: None):
    """A defence that is taken away."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(place, name, replacement)
        yield


# ---- older agreements ----


@rule("FD12")
def test_an_older_agreement_of_the_dealer_is_refused():
    """It has fewer contributors in a sum."""
    old = parties.federation("threshold", min_contributors=2)
    new = parties.federation("threshold", min_contributors=4, serial=2)
    files = [agreed.signed_by(DEALER) for agreed in (old, new)]
    for pinned in (0, 1):  # Who has pinned nothing newer cannot know.
        assert Federation.from_signed(files[0], dealer=DEALER.enrol(), pinned_serial=pinned) == old
    for pins in ({"dealer": DEALER.enrol()}, {"expected_hash": old.hash}):
        with pytest.raises(vs.PolicyRefusedError, match="number 1, and one with 2 was pinned"):
            Federation.from_signed(files[0], **pins, pinned_serial=2)
    assert Federation.from_signed(files[1], dealer=DEALER.enrol(), pinned_serial=2) == new


@rule("RL7")
@pytest.mark.parametrize("role", ["contributor", "holder"])
def test_a_party_that_was_made_with_an_agreement_takes_no_older_one(role):
    old = parties.federation("threshold", toy=(5, 4))
    new = old.renewed(last_day=DAY)

    def make(agreed, rounds):
        if role == "holder":
            return parties.holder(agreed, "holder-1", rounds)
        return parties.contributor(agreed, "ada", rounds=rounds)

    rounds = RoundLedger.in_memory()
    with without(round_ledger.Book, "pin"):
        make(new, rounds)
        make(old, rounds)
    make(old, rounds)
    make(new, rounds)
    with pytest.raises(vs.PolicyRefusedError, match="serial number 1, and this party has pinned 2"):
        make(old, rounds)
    make(new, rounds)


def test_what_was_sent_in_one_run_counts_in_no_other():
    old = parties.federation("threshold", toy=(5, 4))
    new = old.renewed(last_day=DAY)
    message = parties.contribute(old, parties.descriptor(old), "ada")
    state = parties.Round(new, names=NAMES[1:3])
    with pytest.raises(vs.ProtocolError, match="another round"):
        state.aggregator.receive(message)
    ada = parties.contributor(new, "ada")
    announced = parties.descriptor(old)
    with pytest.raises(vs.PolicyRefusedError, match="another federation"):
        ada.contribute(
            parties.announcement(announced, "ada"), np.zeros(200), model_hash=announced.model_hash
        )
    late = parties.Round(old)
    with pytest.raises(vs.PolicyRefusedError, match="another federation"):
        parties.holder(new, "holder-1").open(late.requests()["holder-1"])


# ---- the last day ----


@rule("CP10", "KH12")
def test_nothing_is_answered_after_the_last_day():
    today = datetime.datetime.now(datetime.timezone.utc).date()
    over = parties.federation("threshold", toy=(5, 4), last_day=today - datetime.timedelta(2))
    with without(Federation, "check_day"):
        state = parties.Round(over)
        request = state.requests()["holder-1"]
        state.holder().open(request)
    with pytest.raises(vs.PolicyRefusedError, match="deal --renew"):
        state.contribution("dan")
    rounds = RoundLedger.in_memory()
    with pytest.raises(vs.PolicyRefusedError, match="last day"):
        parties.holder(over, "holder-1", rounds).open(request)
    assert rounds.federations() == {}
    still = parties.federation("threshold", toy=(5, 4), last_day=today)
    parties.Round(still).open()


# ---- a party's folder ----


def joined(path, agreed, name="ada", **options):
    return PartyFolder.create(
        path,
        agreed.signed_by(DEALER),
        identity=parties.identity(name),
        passphrase=PASSPHRASE,
        **{"dealer": DEALER.enrol()} | options,
    )


def noisy(**changes):
    return parties.federation("threshold", noise=NOISE, codec=NOISY_CODEC, **changes)


@rule("PF9")
def test_a_party_that_pinned_the_dealer_goes_on_with_a_renewal(tmp_path):
    old = noisy()
    new = old.renewed(last_day=DAY, aggregator=parties.identity("another").enrol())
    party = joined(tmp_path / "ada", old)
    announced = parties.descriptor(old)
    options = {"model_hash": announced.model_hash}
    change = np.zeros(old.codec.dim)
    first = party.contributor(passphrase=PASSPHRASE)
    first.contribute(parties.announcement(announced, "ada"), change, **options)
    renewed = party.renew(new.signed_by(DEALER))
    assert (renewed.federation, renewed.dealer) == (new, DEALER.enrol())
    assert party.renew(new.signed_by(DEALER)).federation == new  # Again is no news.
    again = PartyFolder(tmp_path / "ada")
    assert again.federation == new
    assert sorted(path.name for path in again.path.glob("federation*")) == ["federation-2.veil"]
    # The budget goes on, and rounds count from 1 again.
    assert again.privacy_ledger.spent.num_contributions == 1
    ada = again.contributor(passphrase=PASSPHRASE)
    ada.contribute(parties.announcement(parties.descriptor(new), "ada"), change, **options)
    assert again.privacy_ledger.spent.num_contributions == 2
    with pytest.raises(vs.PolicyRefusedError, match="has pinned 2"):
        party.contributor(passphrase=PASSPHRASE)  # As it was before: its ledger knows better.


@rule("PF10")
def test_what_is_no_renewal_is_not_taken_over(tmp_path):
    old = noisy()
    party = joined(tmp_path / "ada", old)
    new = old.renewed(last_day=DAY)
    other = {"codec": dataclasses.replace(NOISY_CODEC, noise_bound=NOISY_CODEC.noise_bound + 1)}
    for agreed, dealer, words in (
        (new, Identity.generate("dealer"), "somebody else"),
        (dataclasses.replace(new, min_contributors=3), DEALER, "no renewal"),
        (dataclasses.replace(new, **other), DEALER, "no renewal"),
        (dataclasses.replace(old, run_id=b"r" * 16), DEALER, "no renewal"),
    ):
        with pytest.raises(vs.PolicyRefusedError, match=words):
            party.renew(agreed.signed_by(dealer))
    newest = new.renewed(last_day=DAY)
    party.renew(newest.signed_by(DEALER))
    for agreed in (old, new):
        with pytest.raises(vs.PolicyRefusedError, match="and one with 3 was pinned"):
            party.renew(agreed.signed_by(DEALER))
    assert PartyFolder(tmp_path / "ada").federation == newest
    by_hash = joined(tmp_path / "bob", old, "bob", dealer=None, expected_hash=old.hash)
    with pytest.raises(vs.PolicyRefusedError, match="no dealer"):
        by_hash.renew(new.signed_by(DEALER))
    assert PartyFolder(tmp_path / "bob").federation == old


def test_a_renewal_that_is_broken_off_is_done_or_not(tmp_path, monkeypatch):
    old = noisy()
    new = old.renewed(last_day=DAY)
    party = joined(tmp_path / "ada", old)
    write = durable.os.replace

    class Killed(BaseException):
        pass

    for survived, expected in ((0, old), (1, old), (2, new)):
        count = 0

        def replace(*args, survived=survived):
            nonlocal count
            if count == survived:
                raise Killed
            write(*args)
            count += 1

        with monkeypatch.context() as patch, contextlib.suppress(Killed):
            patch.setattr(durable.os, "replace", replace)
            party.renew(new.signed_by(DEALER))
        assert PartyFolder(tmp_path / "ada").federation == expected
        PartyFolder(tmp_path / "ada").contributor(passphrase=PASSPHRASE)
    run = RunName.of(new)
    assert PartyFolder(tmp_path / "ada").rounds(party.roles[0]).answered(run) == {}


# ---- the commands ----


@pytest.fixture
def place(tmp_path, monkeypatch):
    quick(monkeypatch, tmp_path)
    enrol_all(tmp_path)
    return tmp_path


def test_a_run_is_renewed_by_the_commands(place):
    dealt = deal(place, place / "dealt", "--last-day", "2998-02-03")
    assert (dealt["serial"], dealt["last_day"]) == (1, "2998-02-03")
    options = join_options(place, place / "dealt", "ann", dealt["hash"])
    done(*options, "--dealer", place / "dealer" / "dealer.enrolment", "--out", place / "party")
    renewal = ("deal", "--renew", place / "dealt" / "federation.veil")
    renewal += ("--identity", place / "dealer" / "dealer.identity")
    renewed = done(*renewal, "--last-day", "2999-01-01", "--out", place / "renewed", "--yes")
    assert (renewed["serial"], renewed["last_day"]) == (2, "2999-01-01")
    assert renewed["run_id"] != dealt["run_id"]
    file = place / "renewed" / "federation.veil"
    assert [path.name for path in (place / "renewed").iterdir()] == ["federation.veil"]
    result = veilsum("join", file, "--renew", place / "party")
    assert result.exit_code == 0, result.output
    assert "serial       2, last day 2999-01-01" in result.stdout
    assert done("join", file, "--renew", place / "party")["federation"] == renewed["hash"]
    old = place / "dealt" / "federation.veil"
    assert "older agreement" in refused("join", old, "--renew", place / "party")
    (seen,) = done("inspect", place / "party")
    assert seen["federation_hash"] == renewed["hash"]
    for option in (("--dim", "3"), ("--trust", "authority"), ("--colluding", "0")):
        assert f"{option[0]} does not go with --renew" in refused(
            *renewal, *option, "--out", place / "no", "--yes"
        )
    assert "somebody else" in refused(
        *(
            *renewal[:3],
            "--identity",
            place / "ann" / "ann.identity",
            "--out",
            place / "no",
            "--yes",
        )
    )
    result = veilsum(*renewal, "--out", place / "asked", input="n\n")
    assert result.exit_code == 1
    assert not (place / "asked").exists()
    result = veilsum(*renewal, "--out", place / "asked", input="y\n")
    assert result.exit_code == 0, result.output
    assert "aggregator" in result.stdout


def test_an_identity_that_joined_a_newer_agreement_joins_no_older_one(place):
    """Of another key, so that no ledger knows."""
    old = deal(place, place / "old")
    new = deal(place, place / "new", "--serial", "2", trust="authority")
    assert old["key_bits"] == new["key_bits"]
    newer, older = (
        join_options(place, place / name, "ann", dealt["hash"])
        for name, dealt in (("new", new), ("old", old))
    )
    done(*newer, "--out", place / "party")
    assert "joined one of the same dealer with 2" in refused(*older, "--out", place / "no")
    assert not (place / "no").exists()
    with without(join, "_serials", lambda *_: []):
        done(*older, "--out", place / "other-party")


def test_a_deal_needs_what_a_renewal_does_not(place):
    options = deal_options(place)
    others = ("--out", place / "no", "--passphrase-dir", place / "words", "--yes")
    for option in ("--aggregator", "--contributors", "--dim", "--colluding"):
        at = options.index(option)
        left = (*options[:at], *options[at + 2 :])
        assert f"{option} is missing" in refused(*left, *others)
