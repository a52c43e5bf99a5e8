"""How large updates are, before anything is agreed: what ``clip`` and ``norm_bound`` come from."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from veilsum import arguments
from veilsum.errors import InvalidArgumentError

__all__ = ["UpdateSizes", "measure_updates"]

_QUANTILES = (0.5, 0.9, 0.99, 0.999, 1.0)


@dataclass(frozen=True)
class UpdateSizes:
    """What some updates measure, in model units. About the data: not for sending.

    Attributes:
        dim: number of values of each.
        num_updates: how many there are.
        magnitudes: magnitudes of values, by the part of all values that are no larger: 0.5, 0.9,
            0.99, 0.999 and 1.0.
        l1_norms: smallest, median and largest L1 norm of an update.
        l2_norms: the same of L2 norms.
    """

    dim: int
    num_updates: int
    magnitudes: dict[float, float]
    l1_norms: tuple[float, float, float]
    l2_norms: tuple[float, float, float]

    @property
    def suggested_clip(self) -> float:
        """A clip that cuts one value in a thousand at most, rounded up to two digits.

        Cut values are lost from the mean; a larger clip makes the grid coarser in proportion.
        """
        magnitude = self.magnitudes[0.999]
        # The digits that Python shows, so that 0.3 stays 0.3, and nothing falls below itself.
        exact = Decimal(repr(magnitude))
        unit = Decimal((0, (1,), exact.adjusted() - 1))
        rounded = float(exact.quantize(unit, rounding=ROUND_CEILING))
        return rounded if math.isfinite(rounded) else magnitude

    def __str__(self) -> str:
        updates = "1 update" if self.num_updates == 1 else f"{self.num_updates} updates"
        lines = [f"{updates} of {self.dim:,} values", ""]
        for part, magnitude in self.magnitudes.items():
            many = "all values" if part == 1 else f"{part:.1%} of values"
            lines.append(f"{many:>16} are at most {magnitude:.4g}")
        for name, norms in (("L2", self.l2_norms), ("L1", self.l1_norms)):
            low, middle, high = (f"{norm:.4g}" for norm in norms)
            lines.append(f"{name:>13} norm of {low} to {high}, the median is {middle}")
        lines += [
            "",
            f"clip={self.suggested_clip:.2g} cuts one value in a thousand.",
            f"Noise needs a norm_bound too: {self.l2_norms[1]:.2g} for Gaussian noise (L2) or "
            f"{self.l1_norms[1]:.2g} for Laplace noise (L1)",
            "shrinks the longer half of the updates.",
        ]
        return "\n".join(lines)


def measure_updates(updates: Sequence[ArrayLike | Sequence[ArrayLike]]) -> UpdateSizes:
    """Measure some updates, such as those of a first training on public or own data.

    Args:
        updates: each a vector, or a list of the arrays of a model's change.

    Raises:
        TypeError: no numbers, or masked ones.
        InvalidArgumentError: no updates, of different lengths, or with NaN or infinity; or a norm
            is beyond every float.

    Example:
        >>> import veilsum as vs
        >>> vs.measure_updates([[0.5, -0.25, 0.125, 0.0]]).magnitudes[1.0]
        0.5
    """
    vectors = [
        _flat(i, update)
        for i, update in enumerate(arguments.instance("updates", updates, (list, tuple)))
    ]
    if not vectors or vectors[0].size == 0:
        raise InvalidArgumentError("there is no update to measure")
    if len({vector.size for vector in vectors}) > 1:
        raise InvalidArgumentError("the updates have different numbers of values")
    magnitudes = np.abs(np.stack(vectors))
    if not np.isfinite(magnitudes).all():
        raise InvalidArgumentError("an update has values that are NaN or infinite")
    # The magnitude at or above the wanted part, so that what is said of it holds.
    found = np.quantile(magnitudes, _QUANTILES, method="higher")
    l1_norms, l2_norms = _norms(magnitudes)
    return UpdateSizes(
        dim=vectors[0].size,
        num_updates=len(vectors),
        magnitudes=dict(zip(_QUANTILES, found.tolist(), strict=True)),
        l1_norms=_spread(l1_norms),
        l2_norms=_spread(l2_norms),
    )


def _flat(position: int, update: ArrayLike | Sequence[ArrayLike]) -> NDArray[np.float64]:
    name = f"update {position}"
    arguments.refuse_masked(name, update)
    if isinstance(update, (list, tuple)) and any(
        isinstance(part, (list, tuple)) or np.ndim(part) > 0 for part in update
    ):
        parts = [arguments.floats(name, part).ravel().astype(np.float64) for part in update]
        return np.concatenate(parts)
    return arguments.floats(name, update).ravel().astype(np.float64)  # type: ignore[arg-type]


def _norms(magnitudes: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The L1 and L2 norm of each row. Squares neither overflow nor vanish."""
    exponents = np.frexp(magnitudes.max(axis=1))[1]
    scaled = np.ldexp(magnitudes, -exponents[:, np.newaxis])  # The largest is now about 1.
    with np.errstate(over="ignore"):
        l1_norms = np.ldexp(scaled.sum(axis=1), exponents)
        l2_norms = np.ldexp(np.linalg.norm(scaled, axis=1), exponents)
    if not np.isfinite(l1_norms).all():  # No L2 norm is longer.
        raise InvalidArgumentError("the norm of an update is beyond every float")
    return l1_norms, l2_norms


def _spread(norms: NDArray[np.float64]) -> tuple[float, float, float]:
    # Unlike the median, the quantile adds no two norms, which might overflow.
    return float(norms.min()), float(np.quantile(norms, 0.5)), float(norms.max())
