"""The messages of a round. Each has one encoding; readers refuse any other.

Layouts: docs/wire-format.md, sections 6 to 9.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from veilsum.errors import InvalidArgumentError, MalformedDataError
from veilsum.wire import BytesLike, Reader, WireKind, Writer, as_bytes

__all__ = ["Contribution", "OpenRequest", "Opening", "RoundDescriptor", "check_name"]

_WIRE_VERSION = 1
_HASH_BYTES = 32
_RUN_ID_BYTES = 16
_MAX_NAME_BYTES = 255
_MAX_NAMES = 1 << 20


def check_name(name: str) -> str:
    """A party's name: not empty, and at most 255 bytes of UTF-8; else InvalidArgumentError."""
    if not isinstance(name, str):
        raise TypeError(f"a name is a str, not {type(name).__name__}")
    try:
        encoded = name.encode()
    except UnicodeEncodeError:
        raise InvalidArgumentError("a name has characters that UTF-8 cannot encode") from None
    if not 1 <= len(encoded) <= _MAX_NAME_BYTES:
        raise InvalidArgumentError(f"a name has 1 to {_MAX_NAME_BYTES} bytes, not {len(encoded)}")
    return name


@dataclass(frozen=True, kw_only=True)
class RoundDescriptor:
    """What the aggregator announces: which round, of which model, and who is invited.

    Args:
        federation_hash: ``Federation.hash``.
        run_id: 16 bytes that name the run, chosen at random.
        round_number: from 1, growing within a run.
        model_hash: ``hash_model`` of the model that is sent along.
        invited: names of contributors, in any order; kept sorted.

    Raises:
        InvalidArgumentError: wrong lengths, no round, bad or repeated names.
    """

    federation_hash: bytes
    run_id: bytes
    round_number: int
    model_hash: bytes
    invited: tuple[str, ...]

    def __post_init__(self) -> None:
        _check_hash(self.federation_hash)
        _check_hash(self.model_hash)
        if len(self.run_id) != _RUN_ID_BYTES:
            raise InvalidArgumentError("a run_id is 16 bytes")
        if not 1 <= self.round_number < 2**63:
            raise InvalidArgumentError(f"round_number is {self.round_number}; rounds count from 1")
        object.__setattr__(self, "invited", _sorted_names(self.invited))

    @cached_property
    def round_id(self) -> bytes:
        """SHA-256 of the wire form: the name of the round in all other messages."""
        return hashlib.sha256(self.to_bytes()).digest()

    def to_bytes(self) -> bytes:
        """The wire form."""
        writer = Writer(WireKind.ROUND_DESCRIPTOR, _WIRE_VERSION)
        writer.bytes(self.federation_hash)
        writer.bytes(self.run_id)
        writer.u64(self.round_number)
        writer.bytes(self.model_hash)
        _write_names(writer, self.invited)
        return writer.finish()

    @staticmethod
    def from_bytes(data: BytesLike) -> "RoundDescriptor":
        """Read a descriptor; MalformedDataError if it is none."""
        reader = Reader(as_bytes(data), WireKind.ROUND_DESCRIPTOR, _WIRE_VERSION)
        federation_hash, run_id = reader.bytes(_HASH_BYTES), reader.bytes(_RUN_ID_BYTES)
        round_number, model_hash = reader.u64(), reader.bytes(_HASH_BYTES)
        invited = _read_names(reader)
        reader.finish()
        try:
            return RoundDescriptor(
                federation_hash=federation_hash,
                run_id=run_id,
                round_number=round_number,
                model_hash=model_hash,
                invited=invited,
            )
        except InvalidArgumentError as error:
            raise MalformedDataError(f"round descriptor: {error}") from error


@dataclass(frozen=True, kw_only=True)
class Contribution:
    """One contributor's encrypted vector for one round; ``vector`` is its wire form."""

    round_id: bytes
    contributor: str
    vector: bytes

    def __post_init__(self) -> None:
        _check_hash(self.round_id)
        check_name(self.contributor)

    def to_bytes(self) -> bytes:
        """The wire form."""
        writer = Writer(WireKind.CONTRIBUTION, _WIRE_VERSION)
        writer.bytes(self.round_id)
        _write_name(writer, self.contributor)
        writer.bytes(self.vector)
        return writer.finish()

    @staticmethod
    def from_bytes(data: BytesLike) -> "Contribution":
        """Read a contribution, its vector left unread; MalformedDataError if it is none."""
        reader = Reader(as_bytes(data), WireKind.CONTRIBUTION, _WIRE_VERSION)
        round_id, contributor = reader.bytes(_HASH_BYTES), _read_name(reader)
        vector = reader.bytes(reader.remaining())
        return Contribution(round_id=round_id, contributor=contributor, vector=vector)


@dataclass(frozen=True, kw_only=True)
class OpenRequest:
    """What the key holder is asked to open: the encrypted total of these contributors.

    It carries the whole ``descriptor``, so that the key holder knows run and round itself and need
    not believe a hash.
    """

    descriptor: RoundDescriptor
    contributors: tuple[str, ...]
    total: bytes

    def __post_init__(self) -> None:
        object.__setattr__(self, "contributors", _sorted_names(self.contributors))

    def to_bytes(self) -> bytes:
        """The wire form."""
        writer = Writer(WireKind.OPEN_REQUEST, _WIRE_VERSION)
        descriptor = self.descriptor.to_bytes()
        writer.u64(len(descriptor))
        writer.bytes(descriptor)
        _write_names(writer, self.contributors)
        writer.bytes(self.total)
        return writer.finish()

    @staticmethod
    def from_bytes(data: BytesLike) -> "OpenRequest":
        """Read a request, its total left unread; MalformedDataError if it is none."""
        reader = Reader(as_bytes(data), WireKind.OPEN_REQUEST, _WIRE_VERSION)
        descriptor = RoundDescriptor.from_bytes(reader.bytes(reader.u64()))
        contributors = _read_names(reader)
        total = reader.bytes(reader.remaining())
        return OpenRequest(descriptor=descriptor, contributors=contributors, total=total)


@dataclass(frozen=True, kw_only=True, eq=False)
class Opening:
    """The key holder's answer: the summed lanes, int64, with the hash of the request."""

    request_hash: bytes
    lanes: NDArray[np.int64]

    def __post_init__(self) -> None:
        _check_hash(self.request_hash)

    def to_bytes(self) -> bytes:
        """The wire form."""
        writer = Writer(WireKind.OPENING, _WIRE_VERSION)
        writer.bytes(self.request_hash)
        writer.u64(len(self.lanes))
        writer.bytes(self.lanes.astype("<i8").tobytes())
        return writer.finish()

    @staticmethod
    def from_bytes(data: BytesLike) -> "Opening":
        """Read an answer; MalformedDataError if it is none."""
        reader = Reader(as_bytes(data), WireKind.OPENING, _WIRE_VERSION)
        request_hash, num_lanes = reader.bytes(_HASH_BYTES), reader.u64()
        if 8 * num_lanes != reader.remaining():
            raise MalformedDataError("opening: announces another number of lanes than it has")
        lanes = np.frombuffer(reader.bytes(8 * num_lanes), "<i8").astype(np.int64)
        return Opening(request_hash=request_hash, lanes=lanes)


def _check_hash(value: bytes) -> None:
    if len(value) != _HASH_BYTES:
        raise InvalidArgumentError("a hash is 32 bytes")


def _sorted_names(names: Iterable[str]) -> tuple[str, ...]:
    ordered = tuple(sorted(map(check_name, names)))
    if not 1 <= len(ordered) <= _MAX_NAMES or len(set(ordered)) < len(ordered):
        raise InvalidArgumentError("a list of names has 1 to 2**20 of them, each once")
    return ordered


def _write_name(writer: Writer, name: str) -> None:
    encoded = name.encode()
    writer.u8(len(encoded))
    writer.bytes(encoded)


def _read_name(reader: Reader) -> str:
    try:
        return check_name(reader.bytes(reader.u8()).decode())
    except (UnicodeDecodeError, InvalidArgumentError):
        raise MalformedDataError("a name is 1 to 255 bytes of UTF-8") from None


def _write_names(writer: Writer, names: tuple[str, ...]) -> None:
    writer.u32(len(names))
    for name in names:
        _write_name(writer, name)


def _read_names(reader: Reader) -> tuple[str, ...]:
    count = reader.u32()
    # A name takes two bytes at least: a longer list than the message can hold is not started.
    if not 1 <= count <= min(_MAX_NAMES, reader.remaining() // 2):
        raise MalformedDataError("a list of names is empty or longer than its message")
    names = [_read_name(reader) for _ in range(count)]
    if any(a >= b for a, b in pairwise(names)):
        raise MalformedDataError("names are not sorted, or one is there twice")
    return tuple(names)
