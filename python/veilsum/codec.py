"""The codec without encryption: float vectors to integers packed in plaintexts, and back."""

import math
from dataclasses import KW_ONLY, dataclass, fields, replace
from functools import cached_property, partial
from typing import Any, Literal, Protocol, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from veilsum import _core, arguments
from veilsum.clips import ClipLike, Segments, read_clip, segments_of
from veilsum.errors import CapacityError, InvalidArgumentError, MalformedDataError
from veilsum.message import Field, Layout, code, counted, f64, u8, u64
from veilsum.opened_sum import Sum, SumGrid
from veilsum.system import thread_count
from veilsum.wire import Reader, Writer

__all__ = [
    "CODEC_LAYOUTS",
    "ClipReport",
    "GridNoise",
    "SlotCodec",
    "codec_field",
    "weight_bits_for",
]

C = TypeVar("C", bound="SlotCodec")

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


# The relative error of a norm that is computed in floats, at most.
_NORM_PRECISION = 2.0**-40


class GridNoise(Protocol):
    """Whatever adds integer noise to quantised slots."""

    def add_to(self, slots: NDArray[np.int64], codec: "SlotCodec", /) -> None:
        """Add noise in place to all ``dim + 1`` slots of ``codec``, in grid steps."""


@dataclass(frozen=True)
class ClipReport:
    """What clipping did to one contributor's vector. Stays with the contributor.

    ``norm`` is the vector's own norm, ``grid_norm`` that of its integers after clipping, in grid
    steps, rounded up; both are None for a codec without a norm bound.
    """

    num_clipped: int
    norm_scaled: bool
    norm: float | None
    grid_norm: int | None


@dataclass(frozen=True)
class SlotCodec:
    """The parameters of ``veilsum.Codec``, and what it does without a key.

    Immutable, comparable, hashable and picklable.
    """

    dim: int
    _: KW_ONLY
    clip: ClipLike
    value_bits: int
    max_addends: int
    weight_bits: int = 0
    norm: NormName | None = None
    norm_bound: float | None = None
    rounding: RoundingName = "nearest"
    noise_bound: int = 0

    def __post_init__(self) -> None:
        """Normalise the types, then let the core check every range."""
        for name in ("dim", "max_addends", "noise_bound"):
            self._set(name, arguments.count(name, getattr(self, name)))
        for name in ("value_bits", "weight_bits"):
            self._set(name, arguments.count(name, getattr(self, name), at_most=40))
        self._set("clip", read_clip(self.clip, self.dim))
        self._set("norm", arguments.choice("norm", self.norm, _NORMS))
        self._set("rounding", arguments.choice("rounding", self.rounding, _ROUNDINGS))
        if (self.norm is None) != (self.norm_bound is None):
            raise InvalidArgumentError("give norm and norm_bound together, or neither")
        if self.norm_bound is not None:
            self._set("norm_bound", arguments.real("norm_bound", self.norm_bound))
        _ = self._quantiser, self.max_slot

    @property
    def clips(self) -> NDArray[np.float64]:
        """The largest magnitude of each value that counts, shape ``(dim,)``."""
        counts, clips = zip(*self.segments, strict=True)
        return np.repeat(np.array(clips, np.float64), counts)

    @cached_property
    def segments(self) -> Segments:
        """Numbers of values and their clip, in order; neighbours differ in their clips."""
        return segments_of(cast("float | Segments", self.clip), self.dim)

    @property
    def scale(self) -> float:
        """Grid steps per model unit, in the entries of the largest clip; others have more."""
        return self._quantiser.scale

    @property
    def weight_scale(self) -> int:
        """Grid steps of a weight of 1, which are also the most a value has."""
        return self._quantiser.grid_max

    @property
    def min_weight(self) -> float:
        """The smallest weight but 0 that the codec carries: ``2**-weight_bits``."""
        return self._quantiser.min_weight

    @property
    def grid_norm_bound(self) -> int | None:
        """The largest norm of the value slots at weight 1, in grid steps; None without a bound.

        With the weight slot ``a`` it is ``grid_norm_bound * a // weight_scale``: exactly in
        proportion, whatever rounding did.
        """
        return None if self.norm is None else self._quantiser.grid_norm_bound

    @property
    def slot_bits(self) -> int:
        """Bits of one slot of a plaintext: a value plus the head-room of the sum."""
        return self.max_slot.bit_length() + 1

    @property
    def num_slots(self) -> int:
        """Of a vector: a slot for each value, and one for the weight."""
        return self.dim + 1

    @cached_property
    def max_slot(self) -> int:
        """The largest magnitude that a slot of a sum may have."""
        return _core.max_slot_of(
            self.value_bits, self.weight_bits, self.max_addends, self.noise_bound
        )

    @cached_property
    def sum_grid(self) -> SumGrid:
        """What is known of its sums: how far rounding moves a value, how large one may be."""
        value_steps = 0.5 if self.rounding == "nearest" else 1.0
        if self.norm is not None:
            # Integers may be shrunk to the norm: by a step and its fraction, or, rounded toward 0
            # first, by what the bound loses to the rounding of the weight and of itself.
            value_steps += 5.0 + self.weight_scale * _NORM_PRECISION
        return SumGrid(
            self.clip if isinstance(self.clip, float) else self.clips,
            self.weight_scale,
            value_steps,
            self.weight_bits == 0,
            self.noise_bound,
        )

    def difference(self, other: "SlotCodec") -> str:
        """In which parameters another codec differs, in words of bounded length."""
        pairs = ((f.name, getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return ", ".join(
            f"{name} is {arguments.text_of(own)} and {arguments.text_of(others)}"
            for name, own, others in pairs
            if own != others
        )

    def for_weight_spread(self: C, spread: float) -> C:
        """This codec, or one with the ``weight_bits`` that such weights need.

        Args:
            spread: the largest weight over the smallest that is not 0, at least 1.

        Raises:
            InvalidArgumentError: slots would need too many bits.
        """
        needed = weight_bits_for(spread)
        if needed <= self.weight_bits:
            return self
        try:
            return replace(self, weight_bits=needed)
        except InvalidArgumentError as error:
            raise InvalidArgumentError(
                f"weights that differ by a factor of {spread:.4g} need weight_bits={needed}, which "
                f"the codec has no room for: {error}. Cap the largest weight (max_samples), leave "
                "out the smallest contributors, or weigh all alike"
            ) from error

    def quantise(
        self,
        delta: ArrayLike,
        *,
        weight: float = 1.0,
        noise: GridNoise | None = None,
        num_threads: int | None = None,
    ) -> tuple[NDArray[np.int64], ClipReport]:
        """Clip, weight, quantise and add noise: ``dim`` value slots and the weight slot.

        Slots of several contributors may simply be added; ``dequantise`` reads their sum.
        Arguments and errors as ``Codec.encrypt``.
        """
        if noise is not None and not callable(getattr(noise, "add_to", None)):
            raise TypeError(f"noise must have a method add_to; {type(noise).__name__} has none")
        weight = arguments.real("weight", weight, at_least=0, at_most=1)
        slots, found = self._quantiser.quantise(
            arguments.floats("delta", delta), weight, thread_count(num_threads)
        )
        if noise is not None:
            try:
                noise.add_to(slots, self)
            except BaseException:
                slots.fill(0)
                raise
        report = ClipReport(
            num_clipped=found.num_clipped,
            norm_scaled=found.norm_factor < 1,
            norm=None if self.norm is None else found.norm,
            grid_norm=None if self.norm is None else found.grid_norm,
        )
        return slots, report

    def holds(self, slots: NDArray[np.int64]) -> bool:
        """Whether every slot is within what sums of this codec are sized for."""
        largest = self.max_slot
        slots = _slots(slots)
        return bool((slots <= largest).all() and (slots >= -largest).all())

    def dequantise(
        self, slots: NDArray[np.int64], *, num_addends: int, num_threads: int | None = None
    ) -> Sum:
        """The sum that added slots stand for.

        Raises:
            InvalidArgumentError: not ``dim + 1`` slots, or no addends.
            CapacityError: more addends than ``max_addends``.
        """
        num_addends = self.check_num_addends(num_addends)
        values, weight = self._quantiser.dequantise(_slots(slots), thread_count(num_threads))
        return Sum(values, weight, num_addends, self.sum_grid)

    def check_num_addends(self, num_addends: int) -> int:
        """The number, as an int.

        Raises:
            InvalidArgumentError: a sum of none.
            CapacityError: a sum of too many.
        """
        num_addends = arguments.count("num_addends", num_addends, at_least=1)
        if num_addends > self.max_addends:
            raise CapacityError(
                f"the sum would have {num_addends} addends; its codec has room for "
                f"{self.max_addends}. Make the codec with a larger max_addends"
            )
        return num_addends

    @property
    def needs_segments(self) -> bool:
        """Whether it takes the longer form on the wire: several clips, or ``weight_bits``."""
        return not isinstance(self.clip, float) or self.weight_bits > 0

    @classmethod
    def read_from(cls: type[C], reader: Reader, *, has_segments: bool) -> C:
        """Read what is written by its ``codec_field``, in the longer or the shorter form.

        Raises:
            MalformedDataError: no codec has such parameters, or it has the other form.
        """
        values = CODEC_LAYOUTS[has_segments].read(reader)
        segments = values.pop("segments", None) or ((values.get("dim", 0), values.get("clip")),)
        dim = sum(num_values for num_values, _ in segments)
        try:
            codec = cls(**values | {"dim": dim, "clip": segments})
        except InvalidArgumentError as error:
            raise MalformedDataError(f"codec: {error}") from error
        if codec.segments != segments or codec.needs_segments != has_segments:
            raise MalformedDataError("codec: its parameters have a shorter form")
        return codec

    def __getstate__(self) -> dict[str, Any]:
        # Without what is cached, which is made again.
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            self._set(name, value)

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    @cached_property
    def _quantiser(self) -> _core.Quantiser:
        return _core.Quantiser(
            self.segments,
            self.value_bits,
            self.weight_bits,
            _NORMS[self.norm],
            self.norm_bound or 0.0,
            _ROUNDINGS[self.rounding],
        )


def _write_segment(writer: Writer, segment: tuple[int, float]) -> None:
    num_values, clip = segment
    writer.u64(num_values)
    writer.f64(clip)


_SEGMENT = Field("u64 and f64", "", 16, _write_segment, lambda reader: (reader.u64(), reader.f64()))
_FROM_MAX_ADDENDS: dict[str, Field[Any]] = {
    "max_addends": u64(at_least=1),
    "noise_bound": u64("such that slots have at most 62 bits"),
    "norm": code("norm", _NORMS),
    "norm_bound": f64("positive, finite; +0.0 where norm is 0", or_none=True),
    "rounding": code("rounding", _ROUNDINGS),
}
CODEC_LAYOUTS = {
    False: Layout(
        dim=u64(at_least=1, at_most=2**40),
        clip=f64("positive, finite"),
        value_bits=u8(at_least=2, at_most=40),
        **_FROM_MAX_ADDENDS,
    ),
    True: Layout(
        segments=counted(_SEGMENT, "values and their clip, below", at_least=1),
        value_bits=u8(at_least=2, at_most=40),
        weight_bits=u8("at least 1 where there is one segment; with value_bits at most 40"),
        **_FROM_MAX_ADDENDS,
    ),
}
"""The shorter form, of codecs with one clip and no ``weight_bits``, and the longer form."""


def codec_field(of: type[C], *, has_segments: bool) -> Field[C]:
    """A codec of this class among the fields of a message, in one of its forms."""
    layout = CODEC_LAYOUTS[has_segments]
    read = partial(of.read_from, has_segments=has_segments)
    return Field("codec", "", layout.least, layout.write, read)


def weight_bits_for(spread: float) -> int:
    """The ``weight_bits`` that carry weights of which the largest is ``spread`` times the smallest.

    The binary logarithm, rounded up.
    """
    spread = arguments.real("spread", spread, at_least=1)
    mantissa, exponent = math.frexp(spread)
    return exponent - 1 if mantissa == 0.5 else exponent


def _slots(slots: object) -> NDArray[np.int64]:
    if not isinstance(slots, np.ndarray) or slots.dtype != np.int64:
        kind = slots.dtype if isinstance(slots, np.ndarray) else type(slots).__name__
        raise TypeError(f"slots must be an int64 array, not {kind}")
    arguments.refuse_masked("slots", slots)
    return np.ascontiguousarray(slots)
