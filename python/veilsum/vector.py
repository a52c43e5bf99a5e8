"""Encrypted sums of float vectors: Codec, EncryptedVector, Accumulator, Sum.

A codec turns a model update and its weight into integers on a fixed grid and packs many of them
into one plaintext. Every contributor, the aggregator and whoever opens the sum use the same codec.
"""

import math
import numbers
import operator
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from veilsum import _core
from veilsum.ciphertexts import Ciphertexts
from veilsum.errors import (
    CapacityError,
    InvalidArgumentError,
    KeyMismatchError,
    MalformedDataError,
)
from veilsum.keys import PublicKey, SecretKey
from veilsum.system import thread_count
from veilsum.wire import BytesLike, Reader, WireKind, Writer, as_bytes

__all__ = ["Accumulator", "ClipReport", "Codec", "EncryptedVector", "LatticeNoise", "Sum"]

Key = PublicKey | SecretKey
Progress = Callable[[int, int], object]

_WIRE_VERSION = 1
_NORMS = {None: _core.Norm.NONE, "l1": _core.Norm.L1, "l2": _core.Norm.L2}
_ROUNDINGS = {"nearest": _core.Rounding.NEAREST, "stochastic": _core.Rounding.STOCHASTIC}


class LatticeNoise(Protocol):
    """Whatever adds integer noise to quantised lanes."""

    def add_to(self, values: NDArray[np.int64], /) -> None:
        """Add noise in place to all ``dim + 1`` lanes, in grid steps."""


@dataclass(frozen=True)
class ClipReport:
    """What clipping did to one contributor's vector. Stays with the contributor.

    ``norm`` is the vector's own norm, ``lattice_norm`` that of its integers after clipping, in grid
    steps, rounded up; both are None for a codec without a norm bound.
    """

    num_clipped: int
    norm_scaled: bool
    norm: float | None
    lattice_norm: int | None


@dataclass(frozen=True)
class Sum:
    """An opened sum: ``values`` is the sum of w * delta, ``weight`` the sum of the weights w."""

    values: NDArray[np.float64]
    weight: float
    num_addends: int

    def mean(self) -> NDArray[np.float64]:
        """The weighted mean, ``values / weight``.

        Raises:
            InvalidArgumentError: the weights do not sum to more than 0 (noise can do that too).
        """
        if not self.weight > 0:
            raise InvalidArgumentError(
                f"the weights sum to {self.weight}; a mean needs a positive total weight"
            )
        return self.values / self.weight


@dataclass(frozen=True)
class Codec:
    """How float vectors become integers and back: the agreement of everyone in a sum.

    Values are clipped to ``[-clip, clip]``, multiplied by the contributor's weight in [0, 1] and
    rounded to a grid of ``2**(value_bits - 1) - 1`` steps on each side of 0. Immutable, comparable,
    hashable and picklable.

    Args:
        dim: number of values in a vector.
        clip: largest magnitude of a value, in model units.
        value_bits: bits of a quantised value, 2 to 40.
        max_addends: most vectors that a sum may have; sizes the head-room of the lanes.
        norm: ``"l1"`` or ``"l2"`` also bounds the whole vector, by shrinking it, so that the norm
            of its integers never exceeds ``norm_bound`` on the grid: what noise is calibrated to.
        norm_bound: that bound, in model units. Rounding adds up to ``sqrt(dim) / 2`` grid steps to
            an L2 norm; choose ``value_bits`` so that this is little beside ``norm_bound * scale``.
        rounding: ``"nearest"``, or ``"stochastic"`` for rounding without bias.
        noise_bound: head-room in grid steps for the noise of all addends together.

    Raises:
        InvalidArgumentError: a parameter outside its range, or lanes of more than 62 bits.
    """

    dim: int
    _: KW_ONLY
    clip: float
    value_bits: int
    max_addends: int
    norm: Literal["l1", "l2"] | None = None
    norm_bound: float | None = None
    rounding: Literal["nearest", "stochastic"] = "nearest"
    noise_bound: int = 0

    def __post_init__(self) -> None:
        """Normalise the types, then let the core check every range."""
        for name in ("dim", "value_bits", "max_addends", "noise_bound"):
            object.__setattr__(self, name, _count(name, getattr(self, name)))
        object.__setattr__(self, "clip", _real("clip", self.clip))
        if self.norm not in _NORMS:
            raise InvalidArgumentError(f"norm is {self.norm!r}; it must be None, 'l1' or 'l2'")
        if self.rounding not in _ROUNDINGS:
            raise InvalidArgumentError(
                f"rounding is {self.rounding!r}; it must be 'nearest' or 'stochastic'"
            )
        if (self.norm is None) != (self.norm_bound is None):
            raise InvalidArgumentError("give norm and norm_bound together, or neither")
        if self.norm_bound is not None:
            object.__setattr__(self, "norm_bound", _real("norm_bound", self.norm_bound))
        self._quantiser()
        self._max_lane()

    @property
    def scale(self) -> float:
        """Grid steps per model unit."""
        return self._quantiser().scale

    @property
    def weight_scale(self) -> int:
        """Grid steps of a weight of 1, which are also the most a value has."""
        return self._quantiser().grid_max

    @property
    def lattice_norm_bound(self) -> int | None:
        """The largest norm of a vector's value lanes, in grid steps; None without a norm bound."""
        return None if self.norm is None else self._quantiser().lattice_norm_bound

    @property
    def lane_bits(self) -> int:
        """Bits of one lane of a plaintext: a value plus the head-room of the sum."""
        return self._max_lane().bit_length() + 1

    def lanes_per_ciphertext(self, key: Key) -> int:
        """How many values one ciphertext of ``key`` carries."""
        return self._layout(_public(key)).lanes_per_plaintext

    def num_ciphertexts(self, key: Key) -> int:
        """How many ciphertexts of ``key`` a vector and its weight take."""
        return self._layout(_public(key)).num_plaintexts

    def encrypt(
        self,
        delta: ArrayLike,
        *,
        key: Key,
        weight: float = 1.0,
        noise: LatticeNoise | None = None,
        pool: Any = None,
        num_threads: int | None = None,
        progress: Progress | None = None,
    ) -> "EncryptedVector":
        """Encrypt one contributor's vector and weight so that only a sum need ever be opened.

        Args:
            delta: shape ``(dim,)``, float16/32/64, finite.
            key: the key of this round; its owner may pass the secret key, which is faster.
            weight: what the vector counts in the mean, in [0, 1].
            noise: adds integer noise to the quantised vector and weight before encryption. Noisy
                values are never clipped; ``noise_bound`` makes room for them.
            pool: randomisers made ahead by ``key.precompute``.

        Returns:
            ``num_ciphertexts(key)`` ciphertexts, whatever the values. ``.report`` says what was
            clipped.

        Raises:
            TypeError: ``delta`` is not an array of float16, float32 or float64.
            InvalidArgumentError: wrong shape, NaN or infinity, weight outside [0, 1].
        """
        if noise is not None and not callable(getattr(noise, "add_to", None)):
            raise TypeError(f"noise must have a method add_to; {type(noise).__name__} has none")
        weight = _real("weight", weight)
        layout = self._layout(_public(key))
        threads = thread_count(num_threads)
        lanes, found = self._quantiser().quantise(_native_floats(delta), weight, threads)
        try:
            if noise is not None:
                noise.add_to(lanes)
            plaintexts = _core.pack(lanes, layout, threads)
        finally:
            lanes.fill(0)
        options = {"pool": pool, "num_threads": num_threads, "progress": progress}
        ciphertexts = key.encrypt(plaintexts, **_given(options))
        report = ClipReport(
            num_clipped=found.num_clipped,
            norm_scaled=found.norm_factor < 1,
            norm=None if self.norm is None else found.norm,
            lattice_norm=None if self.norm is None else found.lattice_norm,
        )
        return EncryptedVector(ciphertexts, self, report=report)

    def decrypt(
        self,
        total: "EncryptedVector",
        key: SecretKey,
        *,
        num_threads: int | None = None,
        progress: Progress | None = None,
    ) -> Sum:
        """Open a sum with the secret key.

        Raises:
            InvalidArgumentError: the sum was made with another codec.
            KeyMismatchError: it is encrypted under another key.
            CapacityError: it does not fit its lanes.
        """
        if not isinstance(total, EncryptedVector):
            raise TypeError(f"expected an EncryptedVector, got {type(total).__name__}")
        if not isinstance(key, SecretKey):
            raise TypeError(f"expected a SecretKey, got {type(key).__name__}")
        _check_same(self, key.public_key, total)
        options = {"num_threads": num_threads, "progress": progress}
        plaintexts = key.decrypt_plaintexts(total.ciphertexts, **_given(options))
        return self.decode(
            plaintexts, key=key, num_addends=total.num_addends, num_threads=num_threads
        )

    def decode(
        self,
        plaintexts: _core.Plaintexts,
        *,
        key: Key,
        num_addends: int,
        num_threads: int | None = None,
    ) -> Sum:
        """Turn decrypted plaintexts of ``num_addends`` vectors into their sum.

        Raises:
            InvalidArgumentError: not as many plaintexts as this codec has, or no addends.
            CapacityError: more addends than ``max_addends``, or a sum that does not fit its lanes.
        """
        if not isinstance(plaintexts, _core.Plaintexts):
            raise TypeError(f"expected Plaintexts, got {type(plaintexts).__name__}")
        num_addends = operator.index(num_addends)
        _check_num_addends(self, num_addends)
        threads = thread_count(num_threads)
        lanes = _core.unpack(plaintexts, self._layout(_public(key)), threads)
        values, weight = self._quantiser().dequantise(lanes, threads)
        return Sum(values, weight, num_addends)

    def _quantiser(self) -> _core.Quantiser:
        return _core.Quantiser(
            self.dim,
            self.clip,
            self.value_bits,
            _NORMS[self.norm],
            self.norm_bound or 0.0,
            _ROUNDINGS[self.rounding],
        )

    def _layout(self, key: PublicKey) -> _core.LaneLayout:
        n = key.n
        modulus = n.to_bytes((n.bit_length() + 7) // 8, "little")
        return _core.LaneLayout(self.dim + 1, self._max_lane(), modulus)

    def _max_lane(self) -> int:
        return _core.max_lane_of(self.value_bits, self.max_addends, self.noise_bound)


class EncryptedVector:
    """The encrypted sum of one or more vectors of one codec under one key. Immutable.

    ``v + w`` adds encrypted vectors, and so does ``sum([v, w])``. Made by ``Codec.encrypt``,
    by adding, and by ``from_bytes``; pickles through its wire bytes and those of the public key.
    """

    __slots__ = ("_ciphertexts", "_codec", "_num_addends", "_report")

    def __init__(
        self,
        ciphertexts: Ciphertexts,
        codec: Codec,
        *,
        num_addends: int = 1,
        report: ClipReport | None = None,
    ) -> None:
        _check_num_addends(codec, num_addends)
        wanted = (codec.num_ciphertexts(ciphertexts.public_key),)
        if ciphertexts.shape != wanted:
            raise InvalidArgumentError(
                f"the codec needs ciphertexts of shape {wanted}, got {ciphertexts.shape}"
            )
        self._ciphertexts = ciphertexts
        self._codec = codec
        self._num_addends = num_addends
        self._report = report

    @property
    def ciphertexts(self) -> Ciphertexts:
        """The ciphertexts of the packed vector."""
        return self._ciphertexts

    @property
    def codec(self) -> Codec:
        """What the vector was encoded with."""
        return self._codec

    @property
    def public_key(self) -> PublicKey:
        """What the vector is encrypted under."""
        return self._ciphertexts.public_key

    @property
    def num_addends(self) -> int:
        """How many contributors' vectors it is the sum of."""
        return self._num_addends

    @property
    def report(self) -> ClipReport | None:
        """What clipping did; only on a vector that was encrypted here, and never sent along."""
        return self._report

    def __add__(self, other: object) -> "EncryptedVector":
        """The encrypted sum.

        Raises:
            InvalidArgumentError: the two have different codecs.
            KeyMismatchError: the two are under different keys.
            CapacityError: the sum would have more than ``max_addends`` addends.
        """
        if not isinstance(other, EncryptedVector):
            return NotImplemented
        _check_same(self._codec, self.public_key, other)
        num_addends = self._num_addends + other._num_addends
        _check_num_addends(self._codec, num_addends)
        total = self._ciphertexts + other._ciphertexts
        return EncryptedVector(total, self._codec, num_addends=num_addends)

    def __radd__(self, other: object) -> "EncryptedVector":
        """0 + v, so that ``sum`` works."""
        return self if isinstance(other, int) and other == 0 else NotImplemented

    def __repr__(self) -> str:
        return (
            f"<EncryptedVector: dim {self._codec.dim}, {len(self._ciphertexts)} ciphertexts, "
            f"{self._num_addends} of {self._codec.max_addends} addends>"
        )

    def to_bytes(self) -> bytes:
        """The wire bytes: codec, number of addends, ciphertexts. Nothing about the report."""
        codec = self._codec
        writer = Writer(WireKind.ENCRYPTED_VECTOR, _WIRE_VERSION)
        writer.u64(codec.dim)
        writer.f64(codec.clip)
        writer.u8(codec.value_bits)
        writer.u64(codec.max_addends)
        writer.u64(codec.noise_bound)
        writer.u8(_NORMS[codec.norm])
        writer.f64(codec.norm_bound or 0.0)
        writer.u8(_ROUNDINGS[codec.rounding])
        writer.u64(self._num_addends)
        writer.bytes(self._ciphertexts.to_bytes())
        return writer.finish()

    @staticmethod
    def from_bytes(data: BytesLike, key: Key) -> "EncryptedVector":
        """Read a vector that someone else sent, which should be under ``key``.

        Raises:
            MalformedDataError: not the wire format of docs/wire-format.md, section 3.
            KeyMismatchError: it is under another key.
            InvalidCiphertextError: a ciphertext breaks a rule of docs/validation.md.
        """
        public_key = _public(key)
        reader = Reader(as_bytes(data), WireKind.ENCRYPTED_VECTOR, _WIRE_VERSION)
        try:
            codec = _read_codec(reader)
            num_addends = reader.u64()
            ciphertexts = Ciphertexts.from_bytes(reader.bytes(reader.remaining()), public_key)
            return EncryptedVector(ciphertexts, codec, num_addends=num_addends)
        except (InvalidArgumentError, CapacityError) as error:
            raise MalformedDataError(f"encrypted vector: {error}") from error

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickle, (self.to_bytes(), self.public_key.to_bytes())


class Accumulator:
    """A running encrypted sum in the memory of one vector, whatever the number of addends."""

    def __init__(self, codec: Codec, *, key: Key) -> None:
        if not isinstance(codec, Codec):
            raise TypeError(f"expected a Codec, got {type(codec).__name__}")
        self._codec = codec
        self._public_key = _public(key)
        self._total: EncryptedVector | None = None

    def add(self, vector: EncryptedVector) -> None:
        """Add a vector, or a sum of several. An error leaves the accumulator unchanged.

        Raises:
            InvalidArgumentError: ``vector`` has another codec.
            KeyMismatchError: it is under another key.
            CapacityError: the sum would have more than ``max_addends`` addends.
        """
        if not isinstance(vector, EncryptedVector):
            raise TypeError(f"expected an EncryptedVector, got {type(vector).__name__}")
        _check_same(self._codec, self._public_key, vector)
        self._total = vector if self._total is None else self._total + vector

    @property
    def num_addends(self) -> int:
        """How many contributors' vectors were added so far."""
        return 0 if self._total is None else self._total.num_addends

    @property
    def total(self) -> EncryptedVector:
        """The sum so far; InvalidArgumentError when nothing was added."""
        if self._total is None:
            raise InvalidArgumentError("nothing was added yet, so there is no total")
        return self._total


def _public(key: Key) -> PublicKey:
    if not isinstance(key, (PublicKey, SecretKey)):
        raise TypeError(f"expected a PublicKey or SecretKey, got {type(key).__name__}")
    return key.public_key if isinstance(key, SecretKey) else key


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _count(name: str, value: Any) -> int:
    """Any integer type as int, if it fits the core's and the wire's unsigned fields."""
    count = operator.index(value)
    if not 0 <= count < 2 ** (8 if name == "value_bits" else 63):
        raise InvalidArgumentError(f"{name} is {count}, which is out of range")
    return count


def _real(name: str, value: Any) -> float:
    if not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number, got {type(value).__name__}")
    try:
        return float(value)
    except OverflowError:  # An int beyond every float.
        return math.inf


def _native_floats(values: ArrayLike) -> NDArray[np.float32] | NDArray[np.float64]:
    """Values as a contiguous native float32 or float64 array, exactly; no copy where none is due."""
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise InvalidArgumentError(f"the values must form a vector: {error}") from None
    if array.dtype.kind != "f" or array.dtype.itemsize > 8:
        raise TypeError(f"expected float16, float32 or float64, got {array.dtype}")
    dtype = np.float64 if array.dtype.itemsize == 8 else np.float32
    return np.ascontiguousarray(array, dtype)


def _check_num_addends(codec: Codec, num_addends: int) -> None:
    if num_addends < 1:
        raise InvalidArgumentError(f"num_addends is {num_addends}; a sum has at least one")
    if num_addends > codec.max_addends:
        raise CapacityError(
            f"the sum would have {num_addends} addends; its codec has room for "
            f"{codec.max_addends}. Make the codec with a larger max_addends"
        )


def _check_same(codec: Codec, key: PublicKey, vector: EncryptedVector) -> None:
    if vector.codec != codec:
        raise InvalidArgumentError(f"different codecs: {codec} and {vector.codec}")
    if vector.public_key.fingerprint != key.fingerprint:
        raise KeyMismatchError("the vector is encrypted under another key")


def _read_codec(reader: Reader) -> Codec:
    dim, clip, value_bits = reader.u64(), reader.f64(), reader.u8()
    max_addends, noise_bound = reader.u64(), reader.u64()
    norm_code, norm_bound, rounding_code = reader.u8(), reader.f64(), reader.u8()
    norms = {int(code): name for name, code in _NORMS.items()}
    roundings = {int(code): name for name, code in _ROUNDINGS.items()}
    if norm_code not in norms or rounding_code not in roundings:
        raise MalformedDataError("encrypted vector: unknown norm or rounding")
    norm = norms[norm_code]
    if norm is None and (norm_bound != 0 or math.copysign(1, norm_bound) < 0):
        raise MalformedDataError("encrypted vector: a norm bound without a norm")
    return Codec(
        dim,
        clip=clip,
        value_bits=value_bits,
        max_addends=max_addends,
        norm=norm,
        norm_bound=None if norm is None else norm_bound,
        rounding=roundings[rounding_code],
        noise_bound=noise_bound,
    )


def _unpickle(data: bytes, key_bytes: bytes) -> EncryptedVector:
    return EncryptedVector.from_bytes(data, PublicKey.from_bytes(key_bytes))
