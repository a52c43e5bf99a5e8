"""Which calls of veilsum make which phase: the real protocol is timed, and no copy of it."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import veilsum as vs
from veilsum.codec import SlotCodec
from veilsum.paillier.threshold import Combination, KeyShare
from veilsum.schemes import packed, packing
from veilsum.secure_sum import ContributionHeader, key_holder

from bench.clock import Clock

ENCODE, ENCRYPT, PROVE_PLAINTEXTS = "clip, quantise, pack", "encrypt", "prove plaintexts"
CHECK_CIPHERTEXTS, CHECK_PLAINTEXTS = "check ciphertexts", "check proofs of plaintexts"
CHECK_SIGNATURES, CHECK_HASHES = "check signatures", "check hashes"
ADD, MULTIPLY = "add", "recompute the sum"
PARTIAL, PROVE_PARTIAL = "decrypt in part", "prove it"
CHECK_PARTIALS, COMBINE, DECODE = "check proofs of openings", "combine", "unpack, scale"
DECRYPT = "decrypt"

_CALLS: list[tuple[Any, str, str]] = [
    (SlotCodec, "quantise", ENCODE),
    (packing, "pack", ENCODE),
    (packing, "unpack", DECODE),
    (SlotCodec, "dequantise", DECODE),
    (vs.PublicKey, "encrypt", ENCRYPT),
    (vs.SecretKey, "encrypt", ENCRYPT),
    (vs.Ciphertexts, "from_bytes", CHECK_CIPHERTEXTS),
    (vs.Ciphertexts, "__add__", MULTIPLY),
    (vs.PlaintextProof, "verify", CHECK_PLAINTEXTS),
    (ContributionHeader, "verify", CHECK_SIGNATURES),
    (key_holder, "requested_chunk", CHECK_HASHES),
    (packed._PackedSum, "add", ADD),
    (Combination, "add", CHECK_PARTIALS),
    (Combination, "open_plaintexts", COMBINE),
    (vs.SecretKey, "decrypt_plaintexts", DECRYPT),
]
# Calls that tell their progress until the first phase is over, and go on with the second.
_PAIRS: list[tuple[Any, str, str, str]] = [
    (vs.PublicKey, "encrypt_and_prove", ENCRYPT, PROVE_PLAINTEXTS),
    (KeyShare, "decrypt", PARTIAL, PROVE_PARTIAL),
]


@contextlib.contextmanager
def watched(clock: Clock) -> Iterator[None]:
    """For as long as this lasts, the clock knows which phase veilsum is in."""
    with contextlib.ExitStack() as stack:
        for owner, name, phase in _CALLS:
            stack.enter_context(_replaced(owner, name, functools.partial(_timed, clock, phase)))
        for owner, name, first, second in _PAIRS:
            wrap = functools.partial(_timed_in_two, clock, first, second)
            stack.enter_context(_replaced(owner, name, wrap))
        yield


@contextlib.contextmanager
def _replaced(
    owner: Any, name: str, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]
) -> Iterator[None]:
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
