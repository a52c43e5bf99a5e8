"""Whole rounds under fire: parties are sent changed messages, and the round still ends right.

Each party refuses a message that nobody sent by a named error, and stays as it was: with the
honest messages the round then ends with the exact sum.
"""

import numpy as np
import protocol_parties as parties
import veilsum as vs
from fuzz.mutate import mutated, mutated_frames
from veilsum.secure_sum import Announcement, RoundLedger, RunName, hash_model

NAMES = parties.NAMES[:3]
BAD_MESSAGE = (
    vs.MalformedDataError,
    vs.ProtocolError,
    vs.SignatureError,
    vs.ProofError,
    vs.KeyMismatchError,
    vs.InvalidCiphertextError,
)
REFUSALS = {
    "receive": (*BAD_MESSAGE, vs.CapacityError),
    "open": (*BAD_MESSAGE, vs.PolicyRefusedError, vs.CapacityError),
    "receive_opening": BAD_MESSAGE,
    "contribute": (vs.MalformedDataError, vs.PolicyRefusedError, vs.SignatureError),
}
# Chunks of two and one ciphertexts of a toy key; with one key, of 2048 bits.
TOY_CODEC = vs.Codec(20, clip=1.0, value_bits=40, max_addends=4)
DELTAS = {name: np.linspace(-1, 1, 20) * (i + 1) / 3 for i, name in enumerate(NAMES)}


def agreement(trust):
    toy = (5, 4) if trust == "threshold" else None
    return parties.federation(trust, toy=toy, codec=TOY_CODEC, chunk_size=2)


class Fire:
    """A federation, its messages of one round, and what was done to them."""

    def __init__(self, trust, rng):
        self.federation = agreement(trust)
        self.rng = rng
        self.num_refused = self.num_taken = 0
        self.descriptor = parties.descriptor(self.federation)
        self.messages = {
            name: parties.contribute(self.federation, self.descriptor, name, DELTAS[name])
            for name in NAMES
        }
        other = parties.descriptor(self.federation, round_number=2)
        late = parties.contribute(self.federation, other, "cyd", DELTAS["cyd"])
        self.strange = [*parties.frames_of(late), *parties.frames_of(self.messages["ada"])]

    def round(self, num_mutations):
        """One round, with so many changed messages of each kind before the honest ones."""
        state = parties.Round(self.federation, names=(), invited=parties.NAMES, keep=True)
        self.fire_at_contributor(num_mutations)
        for message in self.messages.values():
            self.fire_at_aggregator(state.aggregator, message, num_mutations)
            state.aggregator.receive(message)
        while requests := state.asked():  # First for locks.
            for name, request in requests.items():
                self.fire_at_holder(name, request, num_mutations)
                if state.aggregator.num_missing_chunks == 0:
                    break
                answer = state.holder(name).open(request)
                self.fire_with_answers(state, answer, num_mutations)
        result = state.aggregator.finish()
        expected = parties.quantised_sum(TOY_CODEC, list(DELTAS.values()))
        parties.assert_sums(result, expected)
        vs.secure_sum.Transcript.from_bytes(result.transcript).verify(self.federation)

    def attempt(self, what, action):
        """What an action gives; None if it is refused as it may be. Any other error passes."""
        try:
            result = action()
        except REFUSALS[what]:
            self.num_refused += 1
            return None
        self.num_taken += 1
        return result

    def changes(self, message, count):
        """Changed copies of a message, none of them the message itself."""
        frames = parties.frames_of(message)
        for _ in range(count):
            changed = mutated_frames(self.rng, frames, self.strange)
            if changed != message:
                yield changed

    def fire_at_contributor(self, count):
        original = parties.announcement(self.descriptor, "dan")
        for _ in range(count):
            changed = mutated(self.rng, original, self.strange)
            rounds = RoundLedger.in_memory()
            someone = parties.contributor(self.federation, "dan", rounds=rounds)
            sent = self.attempt(
                "contribute",
                lambda data=changed, someone=someone: someone.contribute(
                    data, DELTAS["ada"], model_hash=hash_model(parties.MODEL)
                ),
            )
            if sent is None:
                assert rounds.federations() == {}, "a refused announcement was recorded"
            else:
                announced = Announcement.from_bytes(changed).descriptor
                assert announced.federation_hash == self.federation.hash
                run = RunName.of(self.federation)
                assert set(rounds.answered(run)) == {announced.round_number}

    def fire_at_aggregator(self, aggregator, message, count):
        before = aggregator.contributors
        for changed in self.changes(message, count):
            refused = sum(aggregator.refused.values())
            taken = self.attempt("receive", lambda data=changed: aggregator.receive(data))
            # What is signed by nobody is taken from nobody; each refusal is counted.
            assert taken is None, "a changed contribution was taken"
            assert sum(aggregator.refused.values()) == refused + 1
            assert aggregator.contributors == before, "a refused contribution changed the round"
            assert aggregator._store.names("contribution") == sorted(
                vs.secure_sum.aggregator._place(name) for name in before
            )

    def fire_at_holder(self, name, request, count):
        """It takes the honest request afterwards."""
        rounds = RoundLedger.in_memory()
        for changed in self.changes(request, count):
            holder = parties.holder(self.federation, name, rounds)
            self.attempt("open", lambda data=changed, holder=holder: holder.open(data))
        parties.holder(self.federation, name, rounds).open(request)

    def fire_with_answers(self, state, answer, count):
        aggregator = state.aggregator
        for changed in self.changes(answer, count):
            self.attempt("receive_opening", lambda data=changed: aggregator.receive_opening(data))
        try:
            aggregator.receive_opening(answer)
        except vs.ProtocolError as error:
            # Honest frames of a changed answer were kept, as they should be.
            if "has answered already" not in str(error) and "has locked already" not in str(error):
                raise
