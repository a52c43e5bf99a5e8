"""What a contributor agrees to do, and that it pays before it sends."""

import numpy as np
import pytest
import test_secure_sum as rounds
import veilsum as vs
from validation_rules import rule
from veilsum.privacy import Ledger
from veilsum.secure_sum import Contributor, hash_model

NOISY = rounds.federation(noise=rounds.NOISE, codec=rounds.NOISE.fit(rounds.CODEC))


def contribute(contributor, announced, model=rounds.MODEL, delta=None):
    delta = np.zeros(rounds.DIM) if delta is None else delta
    return contributor.contribute(announced.to_bytes(), delta, model_hash=hash_model(model))


@rule("CP1", "CP2", "CP3")
def test_a_contributor_refuses_what_was_not_agreed():
    agreed = rounds.federation()
    contributor = Contributor(agreed, name="ada")
    announced = rounds.descriptor(agreed)
    weaker = rounds.descriptor(rounds.federation(min_contributors=1))
    for refused, message in [
        (weaker, "another federation"),
        (rounds.descriptor(agreed, invited=("bob",)), "not invited"),
        (rounds.descriptor(agreed, model=[np.zeros(1)]), "another model"),
    ]:
        with pytest.raises(vs.PolicyRefusedError, match=message):
            contribute(contributor, refused)
    contribute(contributor, announced)


@rule("CP4")
def test_rounds_of_a_run_only_grow():
    agreed = rounds.federation()
    contributor = Contributor(agreed, name="ada")
    contribute(contributor, rounds.descriptor(agreed, round_number=3))
    for number in (3, 2, 1):
        with pytest.raises(vs.PolicyRefusedError, match="already contributed to round 3"):
            contribute(contributor, rounds.descriptor(agreed, round_number=number))
    contribute(contributor, rounds.descriptor(agreed, round_number=4))
    with pytest.raises(vs.PolicyRefusedError, match="another run"):
        contribute(
            contributor, rounds.descriptor(agreed, round_number=9, run_id=b"another run 0123")
        )


@rule("CP5")
def test_noise_needs_a_ledger():
    with pytest.raises(vs.InvalidArgumentError, match=r"Ledger\.create"):
        Contributor(NOISY, name="ada")


def test_each_contribution_is_charged_once_and_the_budget_ends_it():
    ledger = Ledger.in_memory(epsilon=4.0, delta=1e-6)
    contributor = Contributor(NOISY, name="ada", ledger=ledger)
    for number in (1, 2):
        contribute(contributor, rounds.descriptor(NOISY, round_number=number))
        assert ledger.spent.num_contributions == number
    with pytest.raises(vs.BudgetExhaustedError):
        contribute(contributor, rounds.descriptor(NOISY, round_number=3))
    assert ledger.spent.num_contributions == 2


def test_a_restarted_contributor_does_not_answer_the_round_again():
    ledger = Ledger.in_memory(epsilon=4.0, delta=1e-6)
    announced = rounds.descriptor(NOISY)
    contribute(Contributor(NOISY, name="ada", ledger=ledger), announced)
    with pytest.raises(vs.PolicyRefusedError, match="second"):
        contribute(Contributor(NOISY, name="ada", ledger=ledger), announced)


def test_what_cannot_be_encrypted_is_not_charged():
    ledger = Ledger.in_memory(epsilon=4.0, delta=1e-6)
    contributor = Contributor(NOISY, name="ada", ledger=ledger)
    announced = rounds.descriptor(NOISY)
    with pytest.raises(vs.InvalidArgumentError, match="NaN"):
        contribute(contributor, announced, delta=np.full(rounds.DIM, np.nan))
    assert ledger.spent.num_contributions == 0
    contribute(contributor, announced)


def test_what_cannot_be_charged_is_not_sent(monkeypatch):
    ledger = Ledger.in_memory(epsilon=4.0, delta=1e-6)
    contributor = Contributor(NOISY, name="ada", ledger=ledger)

    def fail(*_, **__):
        raise vs.LedgerError("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "charge", fail)
        with pytest.raises(vs.LedgerError):
            contribute(contributor, rounds.descriptor(NOISY))
    contribute(contributor, rounds.descriptor(NOISY))


def test_contributions_carry_noise():
    agreed, secret = NOISY, rounds.known_key(2048).secret
    ledger = Ledger.in_memory(epsilon=4.0, delta=1e-6)
    message = contribute(Contributor(agreed, name="ada", ledger=ledger), rounds.descriptor(agreed))
    vector = vs.EncryptedVector.from_bytes(
        rounds.Contribution.from_bytes(message).vector, agreed.public_key
    )
    assert np.abs(agreed.codec.decrypt(vector, secret).values).max() > 0
