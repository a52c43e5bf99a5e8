"""The integers of a study: which slot of the summed vector is what, on which grid.

A slot of a part counts in steps of ``1 / scale`` of a record. The scales are what splits the
privacy: the noise of all slots is the same, and a part with twice the scale has half of it.
"""

import math
from collections.abc import Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from veilsum import arguments
from veilsum.errors import InvalidArgumentError
from veilsum.privacy import Adjacency, RecordNoise
from veilsum.stats.parts import Part, Records
from veilsum.stats.queries import Floats, Query
from veilsum.stats.study import Study
from veilsum.vector import Codec

__all__ = ["Layout"]

_VALUE_BITS = 40
_LARGEST = 2 ** (_VALUE_BITS - 1) - 1
_MAX_SLOTS = 100_000
_MAX_SITES = 10_000  # So that sums of slots are exact floats.


class Layout:
    """Where each part of a study is in its vector, and in which steps.

    Attributes:
        study: whose vector it is.
        scales: steps of one record in each part, in the order of the vector.
        num_slots: of the vector; ``num_groups`` times the size of each part.
        record_norm: the largest L2 norm of what one record adds, in steps: what noise is made for.
    """

    def __init__(self, study: Study) -> None:
        self.study = arguments.instance("study", study, Study)
        most = max(self.shares.values())
        finest = _LARGEST // study.max_records
        self.scales: Mapping[Part, int] = {
            part: max(1, math.floor(finest * math.sqrt(share / most)))
            for part, share in self.shares.items()
        }
        self.num_slots = len(study.groups) * sum(part.size for part in self.scales)
        if self.num_slots > _MAX_SLOTS:
            raise InvalidArgumentError(
                f"the study sums {self.num_slots} numbers; it may have {_MAX_SLOTS}. Take fewer "
                "bins, times or groups"
            )
        # Rounded up by more than a square root may be wrong.
        squares = sum(scale**2 for scale in self.scales.values())
        self.record_norm = math.sqrt(squares) * (1 + 2.0**-40)

    @cached_property
    def shares(self) -> Mapping[Part, float]:
        """Of each part the share of the statistic that has the largest of those that need it."""
        found: dict[Part, float] = {}
        for query in self.study.queries:
            for part in query.parts(self.study.terms):
                found[part] = max(found.get(part, 0.0), query.share)
        return found

    def part_of_privacy(self, query: Query) -> float:
        """Which part of the squared sensitivity the sums of a statistic have, in (0, 1].

        Sums that several statistics need count in each of these, so the parts may add up to more.
        """
        own = sum(self.scales[part] ** 2 for part in query.parts(self.study.terms))
        return own / sum(scale**2 for scale in self.scales.values())

    def codec(self, num_sites: int, noise: RecordNoise | None = None) -> Codec:
        """The codec of the study's vector, for so many sites; with room for the noise."""
        most = arguments.count("num_sites", num_sites, at_least=1, at_most=_MAX_SITES)
        codec = Codec(self.num_slots, clip=_LARGEST, value_bits=_VALUE_BITS, max_addends=most)
        return codec if noise is None else noise.fit(codec)

    def noise(
        self,
        *,
        epsilon: float,
        delta: float,
        honest_sites: int,
        studies: int = 1,
        adjacency: Adjacency = "zero-out",
    ) -> RecordNoise:
        """The noise for (epsilon, delta)-DP of each record.

        Args:
            epsilon: of all ``studies`` together.
            delta: of all ``studies`` together.
            honest_sites: how many sites of every sum add their noise and keep it to themselves.
            studies: how many studies of this form a site may answer with this budget.
            adjacency: a record against its absence, or against another in its place.
        """
        return RecordNoise(
            epsilon=epsilon,
            delta=delta,
            rounds=studies,
            norm_bound=self.record_norm,
            honest_contributors=honest_sites,
            adjacency=adjacency,
        )

    def check(self, codec: Codec, noise: object) -> None:
        """InvalidArgumentError unless a federation's codec and noise are made for this study."""
        if (codec.dim, codec.clip) != (self.num_slots, _LARGEST):
            raise InvalidArgumentError(
                f"the federation was dealt for vectors of {codec.dim} values; this study has "
                f"{self.num_slots} whole numbers: deal with --study"
            )
        if noise is None:
            return
        if not isinstance(noise, RecordNoise):
            raise InvalidArgumentError(
                "the federation's noise protects contributions, and not records: deal with --study"
            )
        if noise.norm_bound < self.record_norm:
            raise InvalidArgumentError(
                f"the federation's noise is for records of norm {noise.norm_bound:g}, and a record "
                f"of this study adds {self.record_norm:g}: deal with --study"
            )

    def slots_of(self, records: Records) -> NDArray[np.int64]:
        """A site's vector, shape ``(num_slots,)``."""
        sums = (part.sums(records, scale).ravel() for part, scale in self.scales.items())
        return np.concatenate(list(sums))

    def sums_of(self, slots: Floats) -> dict[Part, Floats]:
        """Of each part of a summed vector the sums, as of numbers of records."""
        sizes = (part.size * len(self.study.groups) for part in self.scales)
        ends = np.cumsum([0, *sizes])
        found = {}
        for i, (part, scale) in enumerate(self.scales.items()):
            shape = len(self.study.groups), part.size
            found[part] = slots[ends[i] : ends[i + 1]].reshape(shape) / scale
        return found
