"""The request to open a sum, and the answers."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from veilsum import arguments
from veilsum.errors import InvalidArgumentError, MalformedDataError
from veilsum.identity import Enrolment, Identity, Role, check_name, verify
from veilsum.secure_sum.contribution import ContributionHeader, set_hash
from veilsum.secure_sum.descriptor import RoundDescriptor
from veilsum.secure_sum.fields import (
    HASH_BYTES,
    MAX_U32,
    check_hash,
    check_signature,
    read_name,
    tuple_of,
    write_name,
)
from veilsum.wire import BytesLike, Reader, WireKind, Writer, as_bytes

__all__ = ["ChunkRequest", "OpenRequest", "Opening", "Receipt", "opening_context"]

_REQUEST_VERSION = 2
_CHUNK_REQUEST_VERSION = 1
_OPENING_VERSION = 2
_SIGNATURE_BYTES = 64
_MAX_PATH = 32


@dataclass(frozen=True, kw_only=True)
class OpenRequest:
    """What a holder is asked to open: the sum of these contributions, or some chunks of it.

    It carries the whole descriptor and the signed headers, so that the holder knows run, round and
    set itself and need believe nobody. ``ChunkRequest`` messages follow, or, where one party has
    the whole key, the encrypted total.

    Attributes:
        descriptor: the round.
        headers: of the contributions, sorted by contributor.
        chunks: which chunks, in order; empty where the total follows.
    """

    descriptor: RoundDescriptor
    headers: tuple[ContributionHeader, ...]
    chunks: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        arguments.instance("descriptor", self.descriptor, RoundDescriptor)
        headers = tuple_of("headers", self.headers, ContributionHeader)
        object.__setattr__(self, "headers", headers)
        names = [header.contributor for header in headers]
        if not names or names != sorted(set(names)):
            raise InvalidArgumentError(
                "headers must be sorted by contributor, with each of them once and at least one"
            )
        chunks = tuple(
            arguments.count("each of chunks", index, at_most=MAX_U32)
            for index in tuple_of("chunks", self.chunks, object)
        )
        object.__setattr__(self, "chunks", chunks)
        if list(chunks) != sorted(set(chunks)):
            raise InvalidArgumentError("chunks must grow, with each of them once")

    @cached_property
    def set_hash(self) -> bytes:
        """Names the set: which contributions, to which round."""
        return set_hash(list(self.headers))

    def to_bytes(self) -> bytes:
        """The wire form (docs/wire-format.md, section 8)."""
        writer = Writer(WireKind.OPEN_REQUEST, _REQUEST_VERSION)
        _write_frame(writer, self.descriptor.to_bytes())
        writer.u32(len(self.headers))
        for header in self.headers:
            _write_frame(writer, header.to_bytes())
        writer.u32(len(self.chunks))
        for index in self.chunks:
            writer.u32(index)
        return writer.finish()

    @staticmethod
    def from_bytes(data: BytesLike) -> "OpenRequest":
        """Read what ``to_bytes`` wrote; signatures are not checked.

        Raises:
            MalformedDataError: the bytes are not those of a request.
        """
        reader = Reader(as_bytes(data), WireKind.OPEN_REQUEST, _REQUEST_VERSION)
        descriptor = RoundDescriptor.from_bytes(_read_frame(reader))
        headers = [ContributionHeader.from_bytes(_read_frame(reader)) for _ in _count(reader, 128)]
        chunks = [reader.u32() for _ in _count(reader, 4)]
        reader.finish()
        try:
            return OpenRequest(descriptor=descriptor, headers=tuple(headers), chunks=tuple(chunks))
        except InvalidArgumentError as error:
            raise MalformedDataError(f"open request: {error}") from error


@dataclass(frozen=True, kw_only=True)
class ChunkRequest:
    """One contributor's chunk with its place in the contributor's tree.

    Attributes:
        contribution: position in the request's headers.
        path: hashes that lead from the chunk to the signed root.
        chunk: the framed chunk.
    """

    contribution: int
    path: tuple[bytes, ...]
    chunk: bytes

    def __post_init__(self) -> None:
        position = arguments.count("contribution", self.contribution, at_most=MAX_U32)
        object.__setattr__(self, "contribution", position)
        object.__setattr__(self, "path", tuple_of("path", self.path, bytes))
        if len(self.path) > _MAX_PATH or any(len(node) != HASH_BYTES for node in self.path):
            raise InvalidArgumentError(
                f"path must have at most {_MAX_PATH} hashes of {HASH_BYTES} bytes"
            )
        arguments.instance("chunk", self.chunk, bytes)

    def to_bytes(self) -> bytes:
        """The wire form (docs/wire-format.md, section 17)."""
        writer = Writer(WireKind.CHUNK_REQUEST, _CHUNK_REQUEST_VERSION)
        writer.u32(self.contribution)
        writer.u8(len(self.path))
        for node in self.path:
            writer.bytes(node)
        writer.bytes(self.chunk)
        return writer.finish()

    @staticmethod
    def from_bytes(data: BytesLike) -> "ChunkRequest":
        """Read what ``to_bytes`` wrote; the chunk is not looked at.

        Raises:
            MalformedDataError: the bytes are not those of a chunk request.
        """
        reader = Reader(as_bytes(data), WireKind.CHUNK_REQUEST, _CHUNK_REQUEST_VERSION)
        contribution, num_nodes = reader.u32(), reader.u8()
        if num_nodes > _MAX_PATH:
            raise MalformedDataError(f"chunk request: a path has at most {_MAX_PATH} hashes")
        path = tuple(reader.bytes(HASH_BYTES) for _ in range(num_nodes))
        return ChunkRequest(
            contribution=contribution, path=path, chunk=reader.bytes(reader.remaining())
        )


@dataclass(frozen=True, kw_only=True)
class Opening:
    """A holder's signed answer: a partial decryption of one chunk, or all slots of the sum.

    Attributes:
        round_id: of the round.
        set_hash: of the set that was opened.
        holder: who answers.
        body: a framed partial decryption; or, of one who has the whole key, the summed slots as
            little-endian int64.
        signature: over all of it, by the holder.
    """

    round_id: bytes
    set_hash: bytes
    holder: str
    body: bytes
    signature: bytes

    def __post_init__(self) -> None:
        check_hash("round_id", self.round_id)
        check_hash("set_hash", self.set_hash)
        check_name(self.holder, "holder")
        arguments.instance("body", self.body, bytes)
        check_signature("signature", self.signature)

    @classmethod
    def signed(
        cls, identity: Identity, *, round_id: bytes, set_hash: bytes, body: bytes
    ) -> "Opening":
        """An answer with its signature."""
        arguments.instance("identity", identity, Identity)
        check_hash("set_hash", set_hash)
        arguments.instance("body", body, bytes)
        return cls(
            round_id=round_id,
            set_hash=set_hash,
            holder=identity.name,
            body=body,
            signature=identity.sign(
                WireKind.OPENING,
                Role.HOLDER,
                round_id,
                set_hash + hashlib.sha256(body).digest(),
            ),
        )

    def verify(self, holder: Enrolment) -> None:
        """SignatureError unless it is signed by this holder."""
        self.receipt().verify(holder)

    def receipt(self) -> "Receipt":
        """The answer without its body, which the signature covers by its hash."""
        return Receipt(
            round_id=self.round_id,
            set_hash=self.set_hash,
            holder=self.holder,
            body_hash=hashlib.sha256(self.body).digest(),
            signature=self.signature,
        )

    def to_bytes(self) -> bytes:
        """The wire form (docs/wire-format.md, section 9)."""
        writer = Writer(WireKind.OPENING, _OPENING_VERSION)
        writer.bytes(self.round_id)
        writer.bytes(self.set_hash)
        write_name(writer, self.holder)
        writer.bytes(self.signature)
        writer.bytes(self.body)
        return writer.finish()

    @staticmethod
    def from_bytes(data: BytesLike) -> "Opening":
        """Read what ``to_bytes`` wrote; signature and body are not checked.

        Raises:
            MalformedDataError: the bytes are not those of an answer.
        """
        reader = Reader(as_bytes(data), WireKind.OPENING, _OPENING_VERSION)
        round_id, hash_of_set = reader.bytes(HASH_BYTES), reader.bytes(HASH_BYTES)
        holder, signature = read_name(reader), reader.bytes(_SIGNATURE_BYTES)
        return Opening(
            round_id=round_id,
            set_hash=hash_of_set,
            holder=holder,
            body=reader.bytes(reader.remaining()),
            signature=signature,
        )


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """That a holder answered, with the hash of what it sent; attributes as those of ``Opening``."""

    round_id: bytes
    set_hash: bytes
    holder: str
    body_hash: bytes
    signature: bytes

    LEAST_BYTES: ClassVar[int] = 3 * HASH_BYTES + _SIGNATURE_BYTES + 2

    def __post_init__(self) -> None:
        check_hash("round_id", self.round_id)
        check_hash("set_hash", self.set_hash)
        check_name(self.holder, "holder")
        check_hash("body_hash", self.body_hash)
        check_signature("signature", self.signature)

    def verify(self, holder: Enrolment) -> None:
        """SignatureError unless it is signed by this holder."""
        payload = self.set_hash + self.body_hash
        verify(holder, self.signature, WireKind.OPENING, Role.HOLDER, self.round_id, payload)

    def to_bytes(self) -> bytes:
        """Its fields, as a transcript has them (docs/wire-format.md, section 18); not framed."""
        name = self.holder.encode()
        place = self.round_id + self.set_hash + bytes([len(name)]) + name
        return place + self.body_hash + self.signature

    @staticmethod
    def read_from(reader: Reader) -> "Receipt":
        """What ``to_bytes`` wrote, its signature unchecked."""
        return Receipt(
            round_id=reader.bytes(HASH_BYTES),
            set_hash=reader.bytes(HASH_BYTES),
            holder=read_name(reader),
            body_hash=reader.bytes(HASH_BYTES),
            signature=reader.bytes(_SIGNATURE_BYTES),
        )


def opening_context(round_id: bytes, hash_of_set: bytes) -> bytes:
    """What the proofs of partial decryptions are bound to."""
    return round_id + hash_of_set


def _write_frame(writer: Writer, frame: bytes) -> None:
    writer.u64(len(frame))
    writer.bytes(frame)


def _read_frame(reader: Reader) -> bytes:
    return reader.bytes(reader.u64())


def _count(reader: Reader, least_bytes: int) -> Sequence[int]:
    count = reader.u32()
    if count * least_bytes > reader.remaining():
        raise MalformedDataError("a list is longer than its message")
    return range(count)
