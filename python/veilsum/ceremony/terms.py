"""What holders of a key agree on before they make it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

from veilsum.ceremony.shape import CeremonyShape
from veilsum.errors import InvalidArgumentError
from veilsum.identity import Enrolment
from veilsum.message import Part, counted, inner, u32

__all__ = ["CeremonyTerms"]

_LABEL = b"veilsum/ceremony/terms/1"
_MAX_HOLDERS = 64


@dataclass(frozen=True, kw_only=True)
class CeremonyTerms(Part):
    """Who makes a key, how many of them open with it, how many may collude, how long it is.

    Attributes:
        roster: the holders, 3 to 64, of different names and keys; they count from 1 in this order.
        threshold: how many of them open a sum.
        max_colluding_holders: how many may break their promises: while the key is made they may
            pool what they know, afterwards see :func:`veilsum.threshold.deal_shares`.
        key_bits: of the modulus, even; below 2048 for tests.
        attempt: from 1; another key is made by another attempt.

    Raises:
        InvalidArgumentError: numbers that do not fit together, or a holder that is there twice.
    """

    roster: Annotated[
        tuple[Enrolment, ...], counted(inner(Enrolment), at_least=3, at_most=_MAX_HOLDERS)
    ]
    threshold: Annotated[int, u32("t", at_least=1)]
    max_colluding_holders: Annotated[int, u32("f", at_least=1)]
    key_bits: Annotated[int, u32("of n")]
    attempt: Annotated[int, u32("from 1", at_least=1)]

    def __post_init__(self) -> None:
        super().__post_init__()
        size, t, f = len(self.roster), self.threshold, self.max_colluding_holders
        if len({party.name for party in self.roster}) < size:
            raise InvalidArgumentError("roster has two holders of one name")
        if len({party.public_key for party in self.roster}) < size:
            raise InvalidArgumentError("roster has two holders with one signing key")
        if not f < t <= size or 2 * t <= size + f:
            raise InvalidArgumentError(
                f"{t} of {size} holders with {f} that may collude: 2 * threshold must exceed the "
                "number of holders and of those together, so that two different sums of a round "
                "can never both be opened"
            )
        _ = self.shape

    @cached_property
    def shape(self) -> CeremonyShape:
        """The numbers that follow from these."""
        return CeremonyShape(len(self.roster), self.max_colluding_holders, self.key_bits)

    @cached_property
    def ceremony_id(self) -> bytes:
        """32 bytes that name the ceremony: a hash of its terms."""
        return hashlib.sha256(_LABEL + self.unframed()).digest()

    def who(self, holder: int) -> str:
        """A holder's number and name, for people."""
        return f"holder {holder} ({self.roster[holder - 1].name})"
