"""Which calls of veilsum make which phase: the real protocol is timed, and no copy of it."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import veilsum as vs
from veilsum.codec import SlotCodec
from veilsum.paillier.proofs import PlaintextProofBatch
from veilsum.paillier.threshold import Combination, KeyShare
from veilsum.schemes import masked, masking, packed, packing
from veilsum.schemes.masking import Masking
from veilsum.secure_sum import ContributionHeader, KeptSums, KeyHolder, RoundLedger, key_holder
from veilsum.secure_sum.lock import Lock
from veilsum.secure_sum.opening import Opening, OpenRequest
from veilsum.secure_sum.round_ledger import RunSoFar

from bench.clock import Clock

ENCODE, ENCRYPT, PROVE_PLAINTEXTS = "clip, quantise, pack", "encrypt", "prove plaintexts"
HASH_SLOTS, MASK = "hash slots", "mask"
CHECK_CIPHERTEXTS, CHECK_PLAINTEXTS = "check ciphertexts", "check proofs of plaintexts"
CHECK_SIGNATURES, CHECK_HASHES = "check signatures", "check hashes"
CHECK_BODIES, OPEN_BODY = "check bodies", "open the body"
ADD, MULTIPLY = "add", "recompute the sum"
CLOSE, MAKE_REQUESTS = "close the round", "make requests"
CHECK_REQUEST, RECORD = "check the request", "sign, record"
PARTIAL, PROVE_PARTIAL = "decrypt in part", "prove it"
CHECK_PARTIALS, COMBINE, DECODE = "check proofs of openings", "combine", "unpack, scale"
DECRYPT = "decrypt"

_CALLS: list[tuple[Any, str, str]] = [
    (SlotCodec, "quantise", ENCODE),
    (packing, "pack", ENCODE),
    (packing, "unpack", DECODE),
    (SlotCodec, "dequantise", DECODE),
    (masking, "_hash_of", HASH_SLOTS),
    (Masking, "make", MASK),
    (vs.Ciphertexts, "from_bytes", CHECK_CIPHERTEXTS),
    (Masking, "read_blocks", CHECK_BODIES),
    (vs.Ciphertexts, "__add__", MULTIPLY),
    (vs.PlaintextProof, "verify", CHECK_PLAINTEXTS),
    (PlaintextProofBatch, "wrong", CHECK_PLAINTEXTS),
    (ContributionHeader, "verify", CHECK_SIGNATURES),
    (key_holder, "requested_chunk", CHECK_HASHES),
    (packed._PackedSum, "add", ADD),
    (masked._MaskedSum, "add", ADD),
    (OpenRequest, "signed", MAKE_REQUESTS),
    (KeyHolder, "_check_round", CHECK_REQUEST),
    (KeyHolder, "_check_set", CHECK_REQUEST),
    (OpenRequest, "verify", CHECK_REQUEST),
    (RoundLedger, "so_far", CHECK_REQUEST),
    (RunSoFar, "check", CHECK_REQUEST),
    (RoundLedger, "lock", RECORD),
    (RoundLedger, "begin", RECORD),
    (KeptSums, "keep", RECORD),
    (KeptSums, "find", RECORD),
    (Lock, "signed", RECORD),
    (Opening, "signed", RECORD),
    (Combination, "add", CHECK_PARTIALS),
    (Combination, "open_plaintexts", COMBINE),
    (vs.SecretKey, "decrypt_plaintexts", DECRYPT),
    (Masking, "open", OPEN_BODY),
]
# Calls that tell their progress until the first phase is over, and go on with the second.
_PAIRS: list[tuple[Any, str, str, str]] = [
    (packed, "encrypt_and_prove", ENCRYPT, PROVE_PLAINTEXTS),
    (KeyShare, "decrypt", PARTIAL, PROVE_PARTIAL),
]


@contextlib.contextmanager
def watched(clock: Clock) -> Iterator[None]:
    """For as long as this lasts, the clock knows which phase veilsum is in."""
    with contextlib.ExitStack() as stack:
        for owner, name, phase in _CALLS:
            stack.enter_context(replaced(owner, name, functools.partial(_timed, clock, phase)))
        for owner, name, first, second in _PAIRS:
            wrap = functools.partial(_timed_in_two, clock, first, second)
            stack.enter_context(replaced(owner, name, wrap))
        yield


@contextlib.contextmanager
def replaced(
    owner: Any, name: str, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]
) -> Iterator[None]:
    """For as long as this lasts, a function or method of veilsum is what ``wrap`` makes of it."""
    original = inspect.getattr_static(owner, name)
    is_function = inspect.isfunction(original)
    wrapped = wrap(original if is_function else getattr(owner, name))
    setattr(owner, name, wrapped if is_function else staticmethod(wrapped))
    try:
        yield
    finally:
        setattr(owner, name, original)


def _timed(clock: Clock, phase: str, call: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(call)
    def timed(*arguments: Any, **options: Any) -> Any:
        with clock.phase(phase):
            return call(*arguments, **options)

    return timed


def _timed_in_two(
    clock: Clock, first: str, second: str, call: Callable[..., Any]
) -> Callable[..., Any]:
    @functools.wraps(call)
    def timed(*arguments: Any, **options: Any) -> Any:
        report = options.pop("progress", None)

        def progress(done: int, total: int) -> None:
            if report is not None:
                report(done, total)
            if done == total:
                clock.split(first, second)

        with clock.phase(first):
            return call(*arguments, progress=progress, **options)

    return timed
