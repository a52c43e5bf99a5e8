"""One set of contributions to one round, as requests and transcripts have it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

from veilsum import arguments
from veilsum.errors import InvalidArgumentError
from veilsum.message import Part, counted, framed, inner, u32
from veilsum.secure_sum.contribution import ContributionHeader, set_hash
from veilsum.secure_sum.descriptor import RoundDescriptor
from veilsum.secure_sum.fields import ed25519, sha256
from veilsum.secure_sum.invitations import Invitations

__all__ = ["RoundSet", "SignedRoot"]


@dataclass(frozen=True, slots=True)
class SignedRoot(Part):
    """What is left of a header where round, list and number of chunks are known: 100 bytes.

    Attributes:
        index: place of the contributor in the list of those who are invited.
        root: as in the header.
        signature: as in the header.
    """

    index: Annotated[int, u32("place of the contributor in the list, from 0")]
    root: Annotated[bytes, sha256("as in the header")]
    signature: Annotated[bytes, ed25519("as in the header")]


@dataclass(frozen=True)
class RoundSet(Part):
    """The announcement of a round, who was invited, and the contributions that count.

    Nothing is checked, neither signatures nor the list: ``check_set``, ``Transcript.verify``.

    Attributes:
        descriptor: the round.
        invited: the list that its ``invited_root`` stands for.
        num_chunks: of each contribution; 0 if there are none.
        contributions: of different contributors, in their order.
    """

    descriptor: Annotated[RoundDescriptor, framed(RoundDescriptor)]
    invited: Annotated[Invitations, inner(Invitations)]
    num_chunks: Annotated[int, u32("of each contribution; 0 if there are none")]
    contributions: Annotated[
        tuple[SignedRoot, ...],
        counted(inner(SignedRoot), "growing by their indices, which are in the list"),
    ]

    def __post_init__(self) -> None:
        super().__post_init__()
        last = -1
        for one in self.contributions:
            if not last < one.index < len(self.invited):
                raise InvalidArgumentError(
                    f"contributions have the index {one.index} after {last}; indices must grow, "
                    f"and be below {len(self.invited)}, the number of those who are invited"
                )
            last = one.index
        if (self.num_chunks == 0) != (not self.contributions):
            raise InvalidArgumentError("num_chunks must be 0 without contributions, and only then")

    @classmethod
    def of(
        cls,
        descriptor: RoundDescriptor,
        invited: Invitations,
        headers: Sequence[ContributionHeader],
    ) -> "RoundSet":
        """The set of these contributions, in the order of their contributors.

        Raises:
            InvalidArgumentError: a contribution is to another round, is not of one who is invited,
                or has another number of chunks than the others; or they are not in order.
        """
        arguments.instance("descriptor", descriptor, RoundDescriptor)
        arguments.instance("invited", invited, Invitations)
        headers = arguments.tuple_of("headers", headers, ContributionHeader)
        num_chunks = headers[0].num_chunks if headers else 0
        roots = []
        for header in headers:
            if (header.round_id, header.num_chunks) != (descriptor.round_id, num_chunks):
                raise InvalidArgumentError(
                    f"headers has the contribution of {header.contributor}, which is for another "
                    "round, or has another number of chunks than the first"
                )
            index = invited.index_of(header.contributor)
            roots.append(SignedRoot(index, header.root, header.signature))
        return cls(descriptor, invited, num_chunks, tuple(roots))

    @cached_property
    def headers(self) -> tuple[ContributionHeader, ...]:
        """Of the contributions, sorted by contributor."""
        round_id, names = self.descriptor.round_id, self.invited.names
        return tuple(
            [
                ContributionHeader(
                    round_id=round_id,
                    contributor=names[one.index],
                    num_chunks=self.num_chunks,
                    root=one.root,
                    signature=one.signature,
                )
                for one in self.contributions
            ]
        )

    @cached_property
    def set_hash(self) -> bytes:
        """Names the set: which contributions, to which round."""
        return set_hash(list(self.headers))
