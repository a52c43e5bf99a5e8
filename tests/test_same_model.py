"""One model is opened for one set of contributors, unless noise or the agreement allows more.

It is a guard against accidents: two such sums differ by single contributions. An aggregator that
means it changes one bit of the model.
"""

import numpy as np
import protocol_parties as parties
import pytest
import veilsum as vs
from protocol_parties import MODEL, NAMES, NOISE, NOISY_CODEC, TRUSTS, Round
from validation_rules import rule
from veilsum.secure_sum import Federation, RoundLedger, RunChain, hash_model, round_ledger

SMALL = vs.Codec(20, clip=1.0, value_bits=40, max_addends=4)
OTHERS = [NAMES[1:3], NAMES, NAMES[1:4]]


class Run:
    """Rounds with holders that remember."""

    def __init__(self, agreed):
        self.agreed = agreed
        self.chain = RunChain()
        self.ledgers = {party.name: RoundLedger.in_memory() for party in agreed.openers}

    def round(self, number, names, **changes):
        """A round in which these have contributed."""
        changes = {"after": self.chain.end, "chain": self.chain} | changes
        state = Round(self.agreed, names, round_number=number, **changes)
        state.ledgers = self.ledgers
        return state

    def open(self, number, names, **changes):
        state = self.round(number, names, **changes)
        result = state.finish()
        self.chain.add(result.link)
        return result


def agreement(trust, **changes):
    toy = {"toy": (5, 4)} if trust == "threshold" else {}
    return parties.federation(trust, **({"codec": SMALL} | toy | changes))


@rule("KH17")
@pytest.mark.parametrize("trust", TRUSTS)
@pytest.mark.parametrize("others", OTHERS)
def test_a_model_is_opened_for_one_set_of_contributors(trust, others):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(round_ledger.Book, "check_model", lambda *_: None)
        attacked = Run(agreement(trust))
        attacked.open(1, NAMES[:3])
        attacked.open(2, others)
    run = Run(agreement(trust))
    run.open(1, NAMES[:3])
    state = run.round(2, others)
    for name, request in state.asked().items():
        with pytest.raises(vs.PolicyRefusedError, match="the same model was opened for the same"):
            state.holder(name).open(request)
    assert not state.aggregator.must_finish
    # The run goes on: with the same contributors, another model, or another purpose.
    run.open(3, NAMES[:3])
    run.open(4, others, model=[np.ones(3)])
    state = run.round(5, others)
    announced = parties.announced_anew(
        state.descriptor, model_hash=hash_model(MODEL, purpose="evaluate")
    )
    state = run.round(5, ())
    state.descriptor = announced
    state.restart()
    for name in others:
        state.aggregator.receive(state.contribution(name))
    run.chain.add(state.finish().link)
    assert run.chain.end.number == 5


@pytest.mark.parametrize("trust", TRUSTS)
def test_noise_or_the_agreement_allows_other_contributors(trust):
    honest = 1 if trust == "contributors" else 2
    noise = vs.privacy.GaussianNoise(
        epsilon=4.0,
        delta=1e-6,
        rounds=2,
        norm_bound=2.0,
        honest_contributors=honest,
        weighted=False,
    )
    codec = noise.fit(vs.Codec(20, clip=1.0, value_bits=24, max_addends=4))
    assert NOISE.fit(NOISY_CODEC) == NOISY_CODEC
    run = Run(agreement(trust, same_model="allow"))
    run.open(1, NAMES[:3])
    run.open(2, NAMES[1:3])
    agreed = agreement(trust, noise=noise, codec=codec)
    assert not agreed.refuses_same_model
    run, ledgers = Run(agreed), {}
    for number, names in ((1, NAMES[:3]), (2, NAMES[1:3])):
        state = run.round(number, ())
        for name in names:
            ledger = ledgers.setdefault(name, vs.privacy.Ledger.in_memory(epsilon=4.0, delta=1e-6))
            state.aggregator.receive(state.contribution(name, ledger=ledger))
        run.chain.add(state.finish().link)
    assert run.chain.end.number == 2


def test_a_model_that_was_never_opened_may_be_asked_of_others():
    """Locks alone tell nothing, so what was abandoned keeps nobody from the next round."""
    run = Run(agreement("threshold"))
    state = run.round(1, NAMES[:3])
    for name, request in state.asked().items():
        state.holder(name).open(request)
    run.open(2, NAMES[1:3])


@rule("RD10")
def test_a_model_is_announced_again_so_many_times():
    """As after a void round, which somebody has spoiled, and can read."""
    agreed = agreement("threshold", max_repeats=2)
    run = Run(agreed)
    for repeat, names in enumerate((NAMES[:3], NAMES[1:3], NAMES)):
        run.open(repeat + 1, names, repeat=repeat)
    announced = parties.descriptor(agreed, round_number=9, repeat=3)
    rounds = RoundLedger.in_memory()
    with pytest.raises(vs.PolicyRefusedError, match="the federation allows 2"):
        parties.contribute(agreed, announced, "ada", rounds=rounds)
    assert rounds.federations() == {}
    with pytest.raises(vs.PolicyRefusedError, match="max_repeats"):
        parties.aggregator(agreed, announced)
    assert agreement("threshold").max_repeats == 1000
    for allowing in ({"same_model": "allow"}, {"same_model": "allow", "max_repeats": 9}):
        free = agreement("threshold", **allowing)
        with pytest.raises(vs.PolicyRefusedError, match="allows 0"):
            parties.contribute(free, parties.descriptor(free, repeat=1), "ada")
    never = agreement("threshold", max_repeats=0)
    parties.contribute(never, parties.descriptor(never), "ada")
    for wrong, error in ((-1, vs.InvalidArgumentError), (1.0, TypeError), (2**32, ValueError)):
        with pytest.raises(error, match="max_repeats"):
            agreement("threshold", max_repeats=wrong)
        with pytest.raises(error, match="repeat"):
            parties.descriptor(agreed, repeat=wrong)
    for wrong, error in (("never", vs.InvalidArgumentError), (True, TypeError)):
        with pytest.raises(error, match="same_model"):
            agreement("threshold", same_model=wrong)


def test_what_is_agreed_of_models_is_in_the_file():
    for changes in ({"same_model": "allow"}, {"max_repeats": 0}, {"max_repeats": 2**32 - 1}):
        agreed = agreement("authority", **changes)
        read = Federation.from_bytes(agreed.to_bytes())
        assert (read.same_model, read.max_repeats) == (agreed.same_model, agreed.max_repeats)
        assert read == agreed
        assert read.hash != agreement("authority").hash
