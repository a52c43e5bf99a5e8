"""What a contributor agrees to do, and that it pays and remembers before it sends."""

import mask_attackers as masks
import numpy as np
import protocol_parties as parties
import pytest
import veilsum as vs
from known_keys import known_key
from validation_rules import rule
from veilsum.privacy import Ledger
from veilsum.secure_sum import (
    ContributionHeader,
    Contributor,
    Identity,
    RoundLedger,
    RunName,
    hash_model,
)

NOISY = parties.federation(noise=parties.NOISE, codec=parties.NOISY_CODEC)


def contribute(contributor, announced, model=parties.MODEL, delta=None):
    delta = np.zeros(parties.DIM) if delta is None else delta
    message = parties.announcement(announced, contributor.name)
    return contributor.contribute(message, delta, model_hash=hash_model(model))


@rule("CP1", "CP3")
def test_a_contributor_refuses_what_was_not_agreed():
    agreed = parties.federation()
    ada = parties.contributor(agreed, "ada")
    weaker = parties.descriptor(parties.federation(min_contributors=3))
    for refused, message in [
        (weaker, "another federation"),
        (parties.descriptor(agreed, invited=("bob",)), "not invited"),
        (parties.descriptor(agreed, model=[np.zeros(1)]), "another model"),
    ]:
        with pytest.raises(vs.PolicyRefusedError, match=message):
            contribute(ada, refused)
    contribute(ada, parties.descriptor(agreed))  # A refused round was not answered.


@rule("CP4")
@pytest.mark.parametrize("restarted", [False, True])
def test_rounds_of_a_run_only_grow(restarted):
    agreed, rounds = parties.federation(), RoundLedger.in_memory()
    same = parties.contributor(agreed, "ada", rounds=rounds)

    def ada():
        return parties.contributor(agreed, "ada", rounds=rounds) if restarted else same

    contribute(ada(), parties.descriptor(agreed, round_number=3))
    for number in (3, 2, 1):
        with pytest.raises(vs.PolicyRefusedError, match="already contributed to round 3"):
            contribute(ada(), parties.descriptor(agreed, round_number=number))
    contribute(ada(), parties.descriptor(agreed, round_number=4))


def test_the_same_round_announced_to_others_gets_no_second_contribution():
    agreed = parties.federation()
    ada = parties.contributor(agreed, "ada")
    contribute(ada, parties.descriptor(agreed))
    with pytest.raises(vs.PolicyRefusedError, match="already contributed"):
        contribute(ada, parties.descriptor(agreed, invited=("ada", "bob")))


@pytest.mark.parametrize(
    ("other", "message"), [(1, "differently"), (2, "already contributed to round 2")]
)
def test_two_answers_at_once_are_not_both_sent(other, message, monkeypatch):
    agreed, rounds = parties.federation(), RoundLedger.in_memory()
    quantise, sent = vs.Codec.quantise, []

    def overtaken(self, *args, **options):
        # Encryption takes long: another process of this contributor may answer meanwhile.
        if not sent:
            sent.append(None)
            ada = parties.contributor(agreed, "ada", rounds=rounds)
            sent.append(contribute(ada, parties.descriptor(agreed, round_number=other)))
        return quantise(self, *args, **options)

    monkeypatch.setattr(vs.Codec, "quantise", overtaken)
    with pytest.raises(vs.PolicyRefusedError, match=message):
        contribute(parties.contributor(agreed, "ada", rounds=rounds), parties.descriptor(agreed))
    assert len(sent[1]) > 0


@rule("CP5")
def test_noise_needs_a_ledger():
    with pytest.raises(vs.InvalidArgumentError, match=r"Ledger\.create"):
        parties.contributor(NOISY, "ada")


@rule("CP6")
def test_a_contributor_is_on_the_roster_with_its_key():
    agreed, rounds = parties.federation(), RoundLedger.in_memory()
    for identity in (parties.identity("eve"), Identity.generate("ada"), parties.identity("h1")):
        with pytest.raises(vs.InvalidArgumentError, match="roster"):
            Contributor(agreed, identity, rounds=rounds)


def test_each_contribution_is_charged_once_and_the_budget_ends_it():
    ledger = Ledger.in_memory(epsilon=4.0, delta=1e-6)
    ada = parties.contributor(NOISY, "ada", ledger=ledger)
    for number in (1, 2):
        contribute(ada, parties.descriptor(NOISY, round_number=number))
        assert ledger.spent.num_contributions == number
    with pytest.raises(vs.BudgetExhaustedError):
        contribute(ada, parties.descriptor(NOISY, round_number=3))
    assert ledger.spent.num_contributions == 2


def test_a_contributor_that_lost_its_rounds_is_still_stopped_by_its_ledger():
    ledger = Ledger.in_memory(epsilon=4.0, delta=1e-6)
    announced = parties.descriptor(NOISY)
    contribute(parties.contributor(NOISY, "ada", ledger=ledger), announced)
    with pytest.raises(vs.PolicyRefusedError, match="second"):
        contribute(parties.contributor(NOISY, "ada", ledger=ledger), announced)


def test_what_cannot_be_encrypted_is_not_charged():
    ledger = Ledger.in_memory(epsilon=4.0, delta=1e-6)
    ada = parties.contributor(NOISY, "ada", ledger=ledger)
    announced = parties.descriptor(NOISY)
    with pytest.raises(vs.InvalidArgumentError, match="NaN"):
        contribute(ada, announced, delta=np.full(parties.DIM, np.nan))
    assert ledger.spent.num_contributions == 0
    contribute(ada, announced)


@pytest.mark.parametrize("door", [(Ledger, "charge"), (RoundLedger, "record")])
def test_what_cannot_be_recorded_is_not_sent(door, monkeypatch):
    ledger = Ledger.in_memory(epsilon=4.0, delta=1e-6)
    ada = parties.contributor(NOISY, "ada", ledger=ledger)

    def fail(*_, **__):
        raise vs.LedgerError("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr(*door, fail)
        with pytest.raises(vs.LedgerError):
            contribute(ada, parties.descriptor(NOISY))
    assert ledger.spent.num_contributions == (door[1] == "record")
    contribute(ada, parties.descriptor(NOISY, round_number=2))


def test_all_is_recorded_before_the_first_piece_is_handed_out():
    ledger, rounds = Ledger.in_memory(epsilon=4.0, delta=1e-6), RoundLedger.in_memory()
    ada = parties.contributor(NOISY, "ada", ledger=ledger, rounds=rounds)
    announced = parties.descriptor(NOISY)
    pieces = ada.contribute_in_frames(
        parties.announcement(announced, "ada"),
        np.zeros(parties.DIM),
        model_hash=announced.model_hash,
    )
    assert ledger.spent.num_contributions == 1
    header = ContributionHeader.from_bytes(next(pieces))
    assert rounds.answered(RunName.of(NOISY)) == {1: header.commitment}
    assert len(list(pieces)) == header.num_chunks == NOISY.num_chunks


def test_contributions_carry_noise():
    ledger = Ledger.in_memory(epsilon=4.0, delta=1e-6)
    message = contribute(
        parties.contributor(NOISY, "ada", ledger=ledger), parties.descriptor(NOISY)
    )
    secret = masks.secret_in(NOISY, known_key(2048).secret, masks.key_of(NOISY, message))
    blocks = masks.blocks_of(NOISY, message)
    slots = masks.read_with(NOISY, parties.descriptor(NOISY), blocks, secret)
    opened = NOISY.codec.dequantise(slots, num_addends=1)
    assert np.count_nonzero(opened.values) > parties.DIM // 2
