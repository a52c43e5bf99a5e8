"""A scheme that hides nothing from whoever looks: for tests only.

It shows that the protocol asks a scheme and never which one it is. A contribution is the slots with
a mask added, in one chunk that nobody opens and nobody proves, behind the mask itself in chunks
that are opened. A holder answers with the mask that it added, and as many holders as the key wants
must say the same; the slots are what is left without it.
"""

from dataclasses import dataclass

import numpy as np
import veilsum as vs
from veilsum.schemes import Chunks, Known, Piece, policy_of
from veilsum.schemes.shards import plan_shards

SLOTS_OF_A_UNIT = 10


@dataclass(frozen=True)
class Integers:
    """A body."""

    values: np.ndarray

    def __add__(self, other):
        return Integers(self.values + other.values)

    def to_bytes(self):
        return self.values.astype("<i8").tobytes()


def read(data):
    return Integers(np.frombuffer(data, "<i8").astype(np.int64))


class Toy:
    max_chunk_bytes = 1 << 12

    def __init__(self, key, codec, *, chunk_size, holders, parameters):
        policy = policy_of(key)
        self.codec = codec
        self.holders = list(holders)
        self.num_answers = 1 if policy is None else policy.threshold
        self.secret_type = vs.SecretKey if policy is None else vs.secure_sum.KeyShare
        self.masks = Chunks(-(-codec.num_slots // SLOTS_OF_A_UNIT), chunk_size)
        self.num_opened = len(self.masks)
        self.num_chunks = self.num_opened + 1

    def slice(self, chunk):
        units = self.masks.units(chunk)
        return slice(units.start * SLOTS_OF_A_UNIT, units.stop * SLOTS_OF_A_UNIT)

    def protect(self, slots, *, context, maker, num_threads=None, progress=None):
        mask = np.random.default_rng().integers(-(2**40), 2**40, len(slots))
        return ToySealed(self, slots + mask, mask, context + maker.encode())

    def read(self, piece, *, chunk, context, maker, num_threads=None, proofs=None):
        wanted = context + maker.encode() if chunk < self.num_opened else b""
        if piece.proof != wanted:
            raise vs.ProofError(f"{maker} proved nothing of this sum")
        return read(piece.body)

    def proofs(self):
        return ToyProofs()

    def read_sum(self, data, *, chunk):
        assert chunk < self.num_opened
        return read(data)

    def running_sum(self):
        return ToySum(self)

    def held_key(self, secret, *, holder):
        return ToyKey(self)

    def opener(self, total, *, context, binding, num_threads=None):
        assert binding.startswith(context)
        return ToyOpener(self, total, binding)

    def answer_facts(self, answer):
        return {}


class ToyProofs:
    """Nothing waits: what is read is checked."""

    is_full = False

    def __len__(self):
        return 0

    def settle(self, *, num_threads=None):
        return {}


@dataclass(frozen=True)
class ToySealed:
    scheme: Toy
    masked: np.ndarray
    mask: np.ndarray
    proof: bytes

    def piece(self, chunk):
        if chunk == self.scheme.num_opened:
            return Piece(Integers(self.masked).to_bytes(), b"")
        return Piece(Integers(self.mask[self.scheme.slice(chunk)]).to_bytes(), self.proof)


class ToySum:
    """Of the masked slots alone: that is all that is left to do here."""

    def __init__(self, scheme):
        self.scheme = scheme
        self.num_addends = 0
        self.total = None

    def add(self, parts):
        assert len(parts) == self.scheme.num_chunks
        masked = parts[-1].values.tolist()
        self.total = masked if self.total is None else np.add(self.total, masked).tolist()
        self.num_addends += 1


@dataclass(frozen=True)
class ToyKey:
    scheme: Toy

    def open(self, total, *, chunk, binding, num_threads=None):
        assert chunk < self.scheme.num_opened
        return binding + total.to_bytes()


class ToyOpener:
    def __init__(self, scheme, total, binding):
        self.scheme = scheme
        self.total = np.array(total)
        self.binding = binding
        self.answered = [set() for _ in range(scheme.num_opened)]
        self.mask = np.zeros(scheme.codec.num_slots, np.int64)

    @property
    def num_missing(self):
        return sum(len(holders) < self.scheme.num_answers for holders in self.answered)

    def wanted(self, missing):
        return plan_shards(
            self.scheme.holders,
            threshold=self.scheme.num_answers,
            answered=self.answered,
            missing=missing,
        )

    def take(self, holder, answer, *, chunk):
        if not answer.startswith(self.binding):
            raise vs.ProofError(f"{holder} opens another set")
        mask = read(answer.removeprefix(self.binding)).values
        place = self.scheme.slice(chunk)
        if self.answered[chunk] and not np.array_equal(self.mask[place], mask):
            raise vs.ProofError(f"{holder} says another sum")
        self.mask[place] = mask
        self.answered[chunk].add(holder)
        return True

    def opened(self):
        return self.slots().astype("<i8").tobytes()

    def slots(self):
        if self.num_missing:
            raise vs.NotEnoughSharesError("answers are missing")
        return self.total - self.mask


def settle(codec, parameters):
    return parameters


SCHEMES = {"toy": Known(15, Toy, settle, size=None, hides_single=True)}
