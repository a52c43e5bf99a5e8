"""Who is invited to a round: a list that one hash stands for, and what one invited is told of it.

The aggregator signs the root of a Merkle tree over the list with the round. A contributor is sent
its own invitation, with the path that leads to that root; whoever needs all names is sent the list,
and computes the root again.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Annotated

from veilsum import arguments
from veilsum.errors import InvalidArgumentError, PolicyRefusedError
from veilsum.identity import NAME, check_name
from veilsum.message import Message, Part, counted, inner, u8, u32
from veilsum.secure_sum.fields import check_hash, name_or_none, sha256
from veilsum.secure_sum.merkle import MerkleTree, leaf_hash, path_leads_to
from veilsum.wire import WireKind

__all__ = ["MAX_INVITED", "AnyInvited", "Invitation", "Invitations", "Invited"]

MAX_INVITED = 1 << 20
_MAX_PATH = 20
_LABEL = b"veilsum/invitation/1"
_RELAY = "1 for a relay, through which it contributes; 0: straight to the aggregator"


@dataclass(frozen=True, slots=True)
class Invited(Part):
    """One who is invited.

    Attributes:
        name: of the contributor.
        relay: name of the relay through which it contributes; None: straight to the aggregator.
    """

    name: Annotated[str, NAME]
    relay: Annotated[str | None, name_or_none(_RELAY)] = None


@dataclass(frozen=True, kw_only=True)
class Invitation(Message, kind=WireKind.INVITATION, version=1):
    """What one contributor is told of the list: its own place, and the path to the root.

    Attributes:
        name: whose invitation it is.
        relay: as in the list.
        index: place in the list, from 0.
        path: hashes that lead from this place to the root.
    """

    name: Annotated[str, NAME]
    relay: Annotated[str | None, name_or_none(_RELAY)]
    index: Annotated[int, u32("place in the list, from 0")]
    path: Annotated[
        tuple[bytes, ...], counted(sha256(), "from the leaf upwards", count=u8, at_most=_MAX_PATH)
    ]

    def verify(self, num_invited: int, root: bytes) -> None:
        """PolicyRefusedError unless it is that of the list of so many names with this root."""
        most = arguments.count("num_invited", num_invited, at_least=1, at_most=MAX_INVITED)
        check_hash("root", root)
        leaf = _leaf(Invited(self.name, self.relay))
        if not path_leads_to(root, leaf, self.index, most, self.path):
            raise PolicyRefusedError(
                f"the invitation of {self.name} is not one of the {most} that the aggregator has "
                "signed with the round: it is forged, or was changed"
            )


@dataclass(frozen=True)
class Invitations(Message, kind=WireKind.INVITATIONS, version=1):
    """All who are invited, in the order of the bytes of their names; ``Invitations.of`` makes it.

    ``in``, ``len`` and ``for`` are about the names.

    Attributes:
        invited: each of them once, sorted; at least one.

    Raises:
        InvalidArgumentError: they are too many or none, not sorted, or one is there twice.
    """

    invited: Annotated[
        tuple[Invited, ...],
        counted(
            inner(Invited),
            "sorted by the bytes of their names, each once",
            at_least=1,
            at_most=MAX_INVITED,
        ),
    ]

    def __post_init__(self) -> None:
        super().__post_init__()
        for one, other in pairwise(self.names):
            if one >= other:
                raise InvalidArgumentError(
                    f"invited has {arguments.text_of(other)} after {arguments.text_of(one)}; names "
                    "must be sorted, with each of them once. Invitations.of sorts them"
                )

    @classmethod
    def of(cls, invited: "AnyInvited") -> "Invitations":
        """The list of these names.

        Args:
            invited: names in any order; or a mapping from each name to that of its relay, or to
                None for a contributor that sends straight to the aggregator; or such a list.

        Raises:
            TypeError: it is no collection of texts; one text is no collection of its letters.
            InvalidArgumentError: there are no names or too many, or one is bad or there twice.
        """
        if isinstance(invited, Invitations):
            return invited
        if isinstance(invited, (str, bytes)) or not isinstance(invited, Iterable):
            raise TypeError(f"invited must be a list of names, not {type(invited).__name__}")
        relays = (
            invited.items() if isinstance(invited, Mapping) else ((one, None) for one in invited)
        )
        found = []
        for name, relay in relays:
            check_name(name, "each of invited")
            if relay is not None:
                check_name(relay, "each relay of invited")
            found.append(Invited(name, relay))
        found.sort(key=lambda one: one.name)
        if not 1 <= len(found) <= MAX_INVITED or len({one.name for one in found}) < len(found):
            raise InvalidArgumentError("invited must have 1 to 2**20 names, each of them once")
        return cls(tuple(found))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of all who are invited, sorted."""
        return tuple([one.name for one in self.invited])

    @property
    def root(self) -> bytes:
        """What stands for the list: with the number of names, no other list has it."""
        return self._tree.root

    def index_of(self, name: str) -> int:
        """The place of a name; InvalidArgumentError if it is not invited."""
        found = self._indices.get(arguments.instance("name", name, str))
        if found is None:
            raise InvalidArgumentError(
                f"name is {arguments.text_of(name)}, who is not among the {len(self)} invited"
            )
        return found

    def relay_of(self, name: str) -> str | None:
        """Through which relay it contributes; errors as ``index_of``."""
        return self.invited[self.index_of(name)].relay

    def invitation(self, name: str) -> Invitation:
        """What this contributor is sent; errors as ``index_of``."""
        index = self.index_of(name)
        return Invitation(
            name=name,
            relay=self.invited[index].relay,
            index=index,
            path=tuple(self._tree.path(index)),
        )

    def __contains__(self, name: object) -> bool:
        return name in self._indices

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.invited)

    def __repr__(self) -> str:
        return f"<Invitations: {len(self)} names, root {self.root[:8].hex()}>"

    @cached_property
    def _indices(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.names)}

    @cached_property
    def _tree(self) -> MerkleTree:
        return MerkleTree(list(map(_leaf, self.invited)))


AnyInvited = Iterable[str] | Mapping[str, str | None] | Invitations
"""What ``Invitations.of`` takes."""


def _leaf(invited: Invited) -> bytes:
    """Of the entry as it is on the wire; by hand, since a list may have many thousands."""
    parts = _LABEL + _sized(invited.name)
    return leaf_hash(parts + (b"\0" if invited.relay is None else b"\1" + _sized(invited.relay)))


def _sized(name: str) -> bytes:
    encoded = name.encode()
    return bytes([len(encoded)]) + encoded
