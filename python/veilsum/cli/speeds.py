"""What ``veilsum bench`` measures: veilsum, and beside it python-paillier and numpy."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from veilsum import noise
from veilsum.errors import InternalError
from veilsum.paillier.secret_key import SecretKey

__all__ = ["PHE", "Speed", "cipher_speeds", "noise_speeds", "per_second", "phe_is_here"]

PHE = "phe"
_SIGMA = 1000.7  # In integer steps.
_NUM_DISTINCT = 256
_NUM_ADDED = 4096  # So fast that a call of fewer would time Python.
_NUM_SLOW = 16  # Of a library that takes milliseconds for each.
_NUM_SAMPLES = 1_000_000


@dataclass(frozen=True)
class Speed:
    """How many of something are done in a second.

    Attributes:
        what: the operation.
        unit: what is counted.
        veilsum: of veilsum, on the threads it takes by default.
        other: of the other library, on one thread; None where it is not installed.
        other_name: which library that is.
    """

    what: str
    unit: str
    veilsum: float
    other: float | None
    other_name: str

    @property
    def times(self) -> float | None:
        """How many times as fast as the other library veilsum is."""
        return None if self.other is None else self.veilsum / self.other


def per_second(call: Callable[[], object], count: int, seconds: float) -> float:
    """The median over calls that do ``count`` things each, for about ``seconds`` in all.

    At least three calls; the first one, which makes tables, is not among them.
    """
    call()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return count / median(times)


def phe_is_here() -> bool:
    """Whether python-paillier can be imported."""
    try:
        import phe  # noqa: F401
    except ImportError:
        return False
    return True


def cipher_speeds(key: SecretKey, seconds: float) -> Iterator[Speed]:
    """Encryption, decryption and addition, ``seconds`` for each of a library.

    Raises:
        InternalError: a library does not decrypt what it encrypted.
    """
    ours = _our_calls(key)
    others = _phe_calls(key.public_key.key_bits) if phe_is_here() else {}
    for what, (call, count) in ours.items():
        found = per_second(call, count, seconds)
        other = per_second(*others[what], seconds) if others else None
        yield Speed(what, "ciphertexts", found, other, PHE)


def noise_speeds(seconds: float) -> Iterator[Speed]:
    """Discrete Gaussian noise, beside numpy's normal floats, which are neither exact nor secure."""
    out = np.empty(_NUM_SAMPLES, np.int64)
    floats = np.empty(_NUM_SAMPLES)
    generator = np.random.Generator(np.random.SFC64())
    ours = per_second(lambda: noise.discrete_gaussian(_SIGMA, out=out), _NUM_SAMPLES, seconds)
    other = per_second(lambda: generator.standard_normal(out=floats), _NUM_SAMPLES, seconds)
    yield Speed("Gaussian noise", "samples", ours, other, "numpy")


_Calls = dict[str, tuple[Callable[[], Any], int]]


def _our_calls(key: SecretKey) -> _Calls:
    values = np.arange(_NUM_DISTINCT) - _NUM_DISTINCT // 2
    public = key.public_key
    batch = public.encrypt(values)
    many = batch[np.resize(np.arange(_NUM_DISTINCT), _NUM_ADDED)]
    _check("veilsum", key.decrypt(batch + batch), (2 * values).tolist())
    return {
        "encrypt": (lambda: public.encrypt(values), _NUM_DISTINCT),
        "decrypt": (lambda: key.decrypt_int64(batch), _NUM_DISTINCT),
        "add": (lambda: many + many, _NUM_ADDED),
    }


def _phe_calls(key_bits: int) -> _Calls:
    """It has no batches: a list comprehension is its best."""
    from phe import paillier

    public, secret = paillier.generate_paillier_keypair(n_length=key_bits)
    values = list(range(-(_NUM_SLOW // 2), _NUM_SLOW // 2))
    batch = [public.encrypt(value) for value in values]
    many = batch * (_NUM_DISTINCT // _NUM_SLOW)
    _check(PHE, [secret.decrypt(c + c) for c in batch], [2 * value for value in values])
    return {
        "encrypt": (lambda: [public.encrypt(value) for value in values], _NUM_SLOW),
        "decrypt": (lambda: [secret.decrypt(c) for c in batch], _NUM_SLOW),
        "add": (lambda: [c + c for c in many], len(many)),
    }


def _check(library: str, found: list[int], expected: list[int]) -> None:
    if found != expected:
        raise InternalError(
            f"{library} decrypts other values than were encrypted and added; report it with the "
            "output of `veilsum doctor`"
        )
