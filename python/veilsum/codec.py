"""The codec without encryption: float vectors to integers packed in plaintexts, and back."""

import math
import numbers
import operator
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from veilsum import _core
from veilsum.errors import CapacityError, InvalidArgumentError, MalformedDataError
from veilsum.system import thread_count
from veilsum.wire import Reader, Writer

__all__ = ["ClipReport", "LaneCodec", "LatticeNoise", "Sum"]

C = TypeVar("C", bound="LaneCodec")

NormName = Literal["l1", "l2"]
RoundingName = Literal["nearest", "stochastic"]

_NORMS: dict[NormName | None, _core.Norm] = {
    None: _core.Norm.NONE,
    "l1": _core.Norm.L1,
    "l2": _core.Norm.L2,
}
_ROUNDINGS: dict[RoundingName, _core.Rounding] = {
    "nearest": _core.Rounding.NEAREST,
    "stochastic": _core.Rounding.STOCHASTIC,
}


class LatticeNoise(Protocol):
    """Whatever adds integer noise to quantised lanes."""

    def add_to(self, lanes: NDArray[np.int64], codec: "LaneCodec", /) -> None:
        """Add noise in place to all ``dim + 1`` lanes of ``codec``, in grid steps."""


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
class LaneCodec:
    """The parameters of ``veilsum.Codec``, and what it does without a key.

    Immutable, comparable, hashable and picklable.
    """

    dim: int
    _: KW_ONLY
    clip: float
    value_bits: int
    max_addends: int
    norm: NormName | None = None
    norm_bound: float | None = None
    rounding: RoundingName = "nearest"
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
        """The largest norm of the value lanes at weight 1, in grid steps; None without a bound.

        With the weight lane ``a`` it is ``lattice_norm_bound * a // weight_scale``: exactly in
        proportion, whatever rounding did.
        """
        return None if self.norm is None else self._quantiser().lattice_norm_bound

    @property
    def lane_bits(self) -> int:
        """Bits of one lane of a plaintext: a value plus the head-room of the sum."""
        return self._max_lane().bit_length() + 1

    def quantise(
        self,
        delta: ArrayLike,
        *,
        weight: float = 1.0,
        noise: LatticeNoise | None = None,
        num_threads: int | None = None,
    ) -> tuple[NDArray[np.int64], ClipReport]:
        """Clip, weight, quantise and add noise: ``dim`` value lanes and the weight lane.

        Lanes of several contributors may simply be added; ``dequantise`` reads their sum.
        Arguments and errors as ``Codec.encrypt``.
        """
        if noise is not None and not callable(getattr(noise, "add_to", None)):
            raise TypeError(f"noise must have a method add_to; {type(noise).__name__} has none")
        weight = _real("weight", weight)
        lanes, found = self._quantiser().quantise(
            _native_floats(delta), weight, thread_count(num_threads)
        )
        if noise is not None:
            try:
                noise.add_to(lanes, self)
            except BaseException:
                lanes.fill(0)
                raise
        report = ClipReport(
            num_clipped=found.num_clipped,
            norm_scaled=found.norm_factor < 1,
            norm=None if self.norm is None else found.norm,
            lattice_norm=None if self.norm is None else found.lattice_norm,
        )
        return lanes, report

    def encode(
        self,
        delta: ArrayLike,
        *,
        modulus: int,
        weight: float = 1.0,
        noise: LatticeNoise | None = None,
        num_threads: int | None = None,
    ) -> tuple[_core.Plaintexts, ClipReport]:
        """Quantise and pack into plaintexts below ``modulus``; errors as ``Codec.encrypt``."""
        layout = self.layout(modulus)
        lanes, report = self.quantise(delta, weight=weight, noise=noise, num_threads=num_threads)
        try:
            return _core.pack(lanes, layout, thread_count(num_threads)), report
        finally:
            lanes.fill(0)

    def unpack(
        self,
        plaintexts: _core.Plaintexts,
        *,
        modulus: int,
        num_addends: int,
        num_threads: int | None = None,
    ) -> Sum:
        """The sum in decrypted plaintexts; errors as ``Codec.decode``."""
        self.check_num_addends(operator.index(num_addends))
        lanes = self.unpack_lanes(plaintexts, modulus=modulus, num_threads=num_threads)
        return self.dequantise(lanes, num_addends=num_addends, num_threads=num_threads)

    def unpack_lanes(
        self, plaintexts: _core.Plaintexts, *, modulus: int, num_threads: int | None = None
    ) -> NDArray[np.int64]:
        """The ``dim + 1`` summed lanes in decrypted plaintexts; errors as ``Codec.decode``."""
        if not isinstance(plaintexts, _core.Plaintexts):
            raise TypeError(f"expected Plaintexts, got {type(plaintexts).__name__}")
        return _core.unpack(plaintexts, self.layout(modulus), thread_count(num_threads))

    def holds(self, lanes: NDArray[np.int64]) -> bool:
        """Whether every lane is within what sums of this codec are sized for."""
        largest = self._max_lane()
        return bool((lanes <= largest).all() and (lanes >= -largest).all())

    def dequantise(
        self, lanes: NDArray[np.int64], *, num_addends: int, num_threads: int | None = None
    ) -> Sum:
        """The sum that added lanes stand for.

        Raises:
            InvalidArgumentError: not ``dim + 1`` lanes, or no addends.
            CapacityError: more addends than ``max_addends``.
        """
        num_addends = operator.index(num_addends)
        self.check_num_addends(num_addends)
        values, weight = self._quantiser().dequantise(lanes, thread_count(num_threads))
        return Sum(values, weight, num_addends)

    def layout(self, modulus: int) -> _core.LaneLayout:
        """How the lanes of a vector lie in plaintexts below ``modulus``."""
        data = modulus.to_bytes((modulus.bit_length() + 7) // 8, "little")
        return _core.LaneLayout(self.dim + 1, self._max_lane(), data)

    def check_num_addends(self, num_addends: int) -> None:
        """Refuse a sum of none (InvalidArgumentError) or of too many (CapacityError)."""
        if num_addends < 1:
            raise InvalidArgumentError(f"num_addends is {num_addends}; a sum has at least one")
        if num_addends > self.max_addends:
            raise CapacityError(
                f"the sum would have {num_addends} addends; its codec has room for "
                f"{self.max_addends}. Make the codec with a larger max_addends"
            )

    def write_to(self, writer: Writer) -> None:
        """Write the parameters as docs/wire-format.md, section 3, has them."""
        writer.u64(self.dim)
        writer.f64(self.clip)
        writer.u8(self.value_bits)
        writer.u64(self.max_addends)
        writer.u64(self.noise_bound)
        writer.u8(_NORMS[self.norm])
        writer.f64(self.norm_bound or 0.0)
        writer.u8(_ROUNDINGS[self.rounding])

    @classmethod
    def read_from(cls: type[C], reader: Reader) -> C:
        """Read what ``write_to`` wrote; MalformedDataError if no codec has such parameters."""
        dim, clip, value_bits = reader.u64(), reader.f64(), reader.u8()
        max_addends, noise_bound = reader.u64(), reader.u64()
        norm_code, norm_bound, rounding_code = reader.u8(), reader.f64(), reader.u8()
        norms = {int(code): name for name, code in _NORMS.items()}
        roundings = {int(code): name for name, code in _ROUNDINGS.items()}
        if norm_code not in norms or rounding_code not in roundings:
            raise MalformedDataError("codec: unknown norm or rounding")
        norm = norms[norm_code]
        if norm is None and (norm_bound != 0 or math.copysign(1, norm_bound) < 0):
            raise MalformedDataError("codec: a norm bound without a norm")
        try:
            return cls(
                dim,
                clip=clip,
                value_bits=value_bits,
                max_addends=max_addends,
                norm=norm,
                norm_bound=None if norm is None else norm_bound,
                rounding=roundings[rounding_code],
                noise_bound=noise_bound,
            )
        except InvalidArgumentError as error:
            raise MalformedDataError(f"codec: {error}") from error

    def _quantiser(self) -> _core.Quantiser:
        return _core.Quantiser(
            self.dim,
            self.clip,
            self.value_bits,
            _NORMS[self.norm],
            self.norm_bound or 0.0,
            _ROUNDINGS[self.rounding],
        )

    def _max_lane(self) -> int:
        return _core.max_lane_of(self.value_bits, self.max_addends, self.noise_bound)


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
    """The values, exactly, as a contiguous native array; a copy only where they are not one."""
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise InvalidArgumentError(f"the values must form a vector: {error}") from None
    if array.dtype.kind != "f" or array.dtype.itemsize > 8:
        raise TypeError(f"expected float16, float32 or float64, got {array.dtype}")
    if array.dtype.itemsize == 8:
        return np.asarray(array, np.float64, order="C")
    return np.asarray(array, np.float32, order="C")
