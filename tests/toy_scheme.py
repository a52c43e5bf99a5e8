"""A scheme that hides nothing: slots travel as plain integers. For tests only.

It shows that the protocol asks a scheme and never which one it is. A unit is ten slots; a holder
answers with the slots that it added, and as many holders as the key wants must say the same.
"""

from dataclasses import dataclass

import numpy as np
import veilsum as vs
from veilsum.schemes import Chunks, Known, Piece, policy_of
from veilsum.schemes.shards import plan_shards
from veilsum.wire import Reader, WireKind, Writer

SLOTS_OF_A_UNIT = 10


@dataclass(frozen=True)
class Integers:
    """A body."""

    slots: np.ndarray

    def __add__(self, other):
        return Integers(self.slots + other.slots)

    def to_bytes(self):
        return self.slots.astype("<i8").tobytes()


class Toy:
    unit_bytes = 8 * SLOTS_OF_A_UNIT
    opens_totals = False

    def __init__(self, key, codec, *, chunk_size, holders):
        policy = policy_of(key)
        self.codec = codec
        self.holders = list(holders)
        self.num_answers = 1 if policy is None else policy.threshold
        self.secret_type = vs.SecretKey if policy is None else vs.secure_sum.KeyShare
        self.chunks = Chunks(-(-codec.num_slots // SLOTS_OF_A_UNIT), chunk_size)

    def slice(self, chunk):
        units = self.chunks.units(chunk)
        return slice(units.start * SLOTS_OF_A_UNIT, units.stop * SLOTS_OF_A_UNIT)

    def protect(self, slots, *, context, num_threads=None, progress=None):
        return ToySealed(self, slots.copy(), context)

    def read(self, piece, *, chunk, context, maker, num_threads=None):
        if piece.proof != context:
            raise vs.ProofError(f"{maker} proved nothing of this round")
        return Integers(np.frombuffer(piece.body, "<i8").astype(np.int64))

    def read_sum(self, data, *, chunk):
        return Integers(np.frombuffer(data, "<i8").astype(np.int64))

    def running_sum(self):
        return ToySum()

    def write_total(self, total, *, num_addends):
        writer = Writer(WireKind.CIPHERTEXTS, 1)
        writer.bytes(total.to_bytes())
        return writer.finish()

    def read_total(self, message, *, num_addends):
        reader = Reader(message, WireKind.CIPHERTEXTS, 1)
        return Integers(np.frombuffer(reader.bytes(reader.remaining()), "<i8"))

    def held_key(self, secret, *, holder):
        return ToyKey()

    def opener(self, total, *, context, num_threads=None):
        return ToyOpener(self)

    def answer_facts(self, answer):
        return {}


class ToyWithTotals(Toy):
    opens_totals = True


@dataclass(frozen=True)
class ToySealed:
    scheme: Toy
    slots: np.ndarray
    context: bytes

    def piece(self, chunk):
        return Piece(Integers(self.slots[self.scheme.slice(chunk)]).to_bytes(), self.context)


class ToySum:
    def __init__(self):
        self.num_addends = 0
        self.total = None

    def add(self, parts):
        whole = Integers(np.concatenate([part.slots for part in parts]))
        self.total = whole if self.total is None else self.total + whole
        self.num_addends += 1


class ToyKey:
    def open(self, total, *, first, context, num_threads=None, progress=None):
        return first.to_bytes(4, "little") + total.to_bytes()


class ToyOpener:
    def __init__(self, scheme):
        self.scheme = scheme
        self.answered = [set() for _ in range(len(scheme.chunks))]
        self.found = np.zeros(scheme.codec.num_slots, np.int64)

    @property
    def num_missing(self):
        return sum(len(holders) < self.scheme.num_answers for holders in self.answered)

    def wanted(self, missing):
        if self.scheme.opens_totals:
            names = [name for name in self.scheme.holders if name not in missing]
            return dict.fromkeys(names if self.num_missing else [])
        return plan_shards(
            self.scheme.holders,
            threshold=self.scheme.num_answers,
            answered=self.answered,
            missing=missing,
        )

    def take(self, holder, answer, *, chunk):
        slots = np.frombuffer(answer[4:], "<i8")
        if self.scheme.opens_totals:
            self.found[:] = slots
            for holders in self.answered:
                holders.add(holder)
            return True
        assert chunk == int.from_bytes(answer[:4], "little") // self.scheme.chunks.size
        place = self.scheme.slice(chunk)
        if self.answered[chunk] and not np.array_equal(self.found[place], slots):
            raise vs.ProofError(f"{holder} says another sum")
        self.found[place] = slots
        self.answered[chunk].add(holder)
        return True

    def opened(self):
        return self.slots().astype("<i8").tobytes()

    def slots(self):
        if self.num_missing:
            raise vs.NotEnoughSharesError("answers are missing")
        return self.found


SCHEMES = {"toy": Known(15, Toy), "toy with totals": Known(14, ToyWithTotals)}
