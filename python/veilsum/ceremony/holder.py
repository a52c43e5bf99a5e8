"""One holder while a key is made: its number, what it draws, and how it reads what others say."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import TypeVar

from veilsum.ceremony.terms import CeremonyTerms
from veilsum.errors import MalformedDataError, ProtocolError

__all__ = ["ROOT_BYTES", "Holder", "Said", "Step", "Steps"]

T = TypeVar("T")
ROOT_BYTES = 32

Said = dict[int, bytes]
"""The bodies of all holders' messages of one step, by number."""


@dataclass(frozen=True)
class Step:
    """What a holder says next, and waits for everybody's answer to.

    Attributes:
        name: of the step, for people.
        body: of its message.
    """

    name: str
    body: bytes


Steps = Generator[Step, Said, T]
"""A part of the protocol: it yields what is said, is sent what all said, and returns its result."""


class Holder:
    """Its number and its root, from which all is drawn that it draws: so it can begin again.

    Args:
        terms: of the ceremony.
        number: 1 to the number of holders.
        root: 32 bytes of the CSPRNG, for this ceremony alone.
    """

    def __init__(self, terms: CeremonyTerms, number: int, root: bytes) -> None:
        self.terms = terms
        self.number = number
        self._root = bytearray(root)

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("what a holder draws is not pickled")

    def __repr__(self) -> str:
        return f"Holder({self.number})"

    @property
    def all(self) -> range:
        """The numbers of all holders."""
        return range(1, self.terms.shape.num_holders + 1)

    @property
    def others(self) -> list[int]:
        """The numbers of all holders but this."""
        return [i for i in self.all if i != self.number]

    def draw(self, purpose: str, size: int, *about: bytes) -> bytes:
        """So many secret bytes; the same for the same purpose, and for what they are about."""
        return hashed(b"own", size, self._root, self.terms.ceremony_id, purpose.encode(), *about)

    def public(self, purpose: str, size: int, *about: bytes) -> bytes:
        """So many bytes of a hash that names the ceremony."""
        return hashed(b"public", size, self.terms.ceremony_id, purpose.encode(), *about)

    def wipe(self) -> None:
        """Forget the root."""
        self._root[:] = bytes(len(self._root))

    def read(self, said: Said, reader: Callable[[bytes], T]) -> dict[int, T]:
        """What everybody's body says, by number.

        Raises:
            ProtocolError: one cannot be read; it names its holder.
        """
        found = {}
        for i in self.all:
            try:
                found[i] = reader(said[i])
            except MalformedDataError as error:
                raise ProtocolError(
                    f"{self.terms.who(i)} sent what is no message of this step: {error}"
                ) from None
        return found

    def blame(self, holders: Iterable[int], what: str) -> ProtocolError:
        """An error that names them."""
        return ProtocolError(f"{', '.join(map(self.terms.who, holders))}: {what}")

    def agreed(self, values: dict[int, T], what: str) -> T:
        """What all of some holders say.

        Raises:
            ProtocolError: they say different things; it names them in groups.
        """
        groups: dict[T, list[int]] = {}
        for i, value in values.items():
            groups.setdefault(value, []).append(i)
        if len(groups) > 1:
            sides = " against ".join(
                ", ".join(map(self.terms.who, group)) for group in groups.values()
            )
            raise ProtocolError(f"holders disagree on {what}: {sides}")
        return next(iter(groups))


def hashed(label: bytes, size: int, *parts: bytes | bytearray) -> bytes:
    """SHAKE256 of parts, each with its length before it."""
    state = hashlib.shake_256(b"veilsum/ceremony/hash/1/")
    for part in (label, *parts):
        state.update(len(part).to_bytes(8, "little") + part)
    return state.digest(size)
