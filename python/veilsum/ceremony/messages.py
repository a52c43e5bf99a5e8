"""The one message of a key ceremony, and how numbers stand in it.

In each step every holder publishes one message, signed, which repeats a hash of all messages of the
step before: whoever was shown other messages finds out one step later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, TypeVar

from veilsum import arguments
from veilsum.errors import MalformedDataError
from veilsum.identity import NAME, Enrolment, Identity, Role, verify
from veilsum.message import Field, Message, Part, counted, fixed, u32
from veilsum.wire import Reader, WireKind, Writer

__all__ = ["CeremonyMessage", "Introduction", "Numbers", "SealedBoxes", "read_part"]

P = TypeVar("P", bound=Part)
_HASH_BYTES = 32
_SIGNATURE_BYTES = 64


def _write_block(writer: Writer, value: bytes) -> None:
    writer.u32(len(value))
    writer.bytes(value)


def _read_block(reader: Reader) -> bytes:
    return reader.bytes(reader.u32())


def _check_block(name: str, value: bytes) -> bytes:
    return arguments.instance(name, value, bytes)


def _block(words: str = "") -> Field[bytes]:
    """Bytes, with their number before them."""
    return Field("u32 and as many bytes", words, 4, _write_block, _read_block, _check_block)


@dataclass(frozen=True, kw_only=True)
class CeremonyMessage(Message, kind=WireKind.CEREMONY_MESSAGE, version=1):
    """What one holder says in one step.

    Attributes:
        ceremony_id: of the terms.
        holder: who says it, from 1.
        step: which one, from 0.
        name: of the step, for people.
        echo: hash of all holders' messages of the step before; 32 zero bytes in the first.
        signature: of the holder, over all else.
        body: what the step asks for.
    """

    ceremony_id: Annotated[bytes, fixed(_HASH_BYTES, "of the terms", what="a SHA-256")]
    holder: Annotated[int, u32("from 1", at_least=1)]
    step: Annotated[int, u32("from 0")]
    name: Annotated[str, NAME]
    echo: Annotated[bytes, fixed(_HASH_BYTES, "of the step before", what="a SHA-256")]
    signature: Annotated[
        bytes, replace(fixed(_SIGNATURE_BYTES, "of role 2", what="an Ed25519 signature"), show=None)
    ]
    body: Annotated[bytes, _block("of the step")]

    def signed(self, identity: Identity) -> CeremonyMessage:
        """The same with this party's signature."""
        signature = identity.sign(self.KIND, Role.HOLDER, self.ceremony_id, self._payload())
        return replace(self, signature=signature)

    def verify(self, party: Enrolment) -> None:
        """SignatureError unless this party signed it."""
        verify(party, self.signature, self.KIND, Role.HOLDER, self.ceremony_id, self._payload())

    def _payload(self) -> bytes:
        return replace(self, signature=bytes(_SIGNATURE_BYTES)).unframed()


@dataclass(frozen=True, kw_only=True)
class Introduction(Part):
    """The body of the first step.

    Attributes:
        session_key: of X25519, for what is sealed in this ceremony.
        commitments: to the coins, then to the parts of seeds, in the order of their sets.
    """

    session_key: Annotated[bytes, fixed(32, "X25519", what="a session key")]
    commitments: Annotated[tuple[bytes, ...], counted(fixed(_HASH_BYTES, what="a SHA-256"))]


@dataclass(frozen=True, kw_only=True)
class SealedBoxes(Part):
    """What is for one holder each, in the order of the others' numbers."""

    boxes: Annotated[tuple[bytes, ...], counted(_block(), at_most=63)]


def read_part(part: type[P], data: bytes) -> P:
    """A part that stands alone as a body; MalformedDataError for other bytes."""
    writer = Writer(WireKind.CEREMONY_MESSAGE, 0)
    writer.bytes(data)
    reader = Reader(writer.finish(), WireKind.CEREMONY_MESSAGE, 0)
    found = part.read_from(reader)
    reader.finish()
    return found


class Numbers:
    """Lists of numbers as bytes: each of a known length, of numbers below a known bound."""

    def __init__(self, *lists: tuple[int, int]) -> None:
        self._lists = [(count, bound, (bound.bit_length() + 7) // 8) for count, bound in lists]

    def pack(self, *lists: Sequence[int]) -> bytes:
        """As many bytes a number as the bound of its list has."""
        return b"".join(
            x.to_bytes(size, "little")
            for (_, _, size), numbers in zip(self._lists, lists, strict=True)
            for x in numbers
        )

    def unpack(self, data: bytes) -> list[list[int]]:
        """MalformedDataError for other bytes than ``pack`` makes."""
        if len(data) != sum(count * size for count, _, size in self._lists):
            raise MalformedDataError("it has another length than its step asks for")
        lists, first = [], 0
        for count, bound, size in self._lists:
            end = first + count * size
            found = [int.from_bytes(data[k : k + size], "little") for k in range(first, end, size)]
            if any(x >= bound for x in found):
                raise MalformedDataError("it has a number above its bound")
            lists.append(found)
            first = end
        return lists
