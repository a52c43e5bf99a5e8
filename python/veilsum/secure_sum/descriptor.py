"""The announcement of a round."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

from veilsum import arguments
from veilsum.errors import InvalidArgumentError, MalformedDataError
from veilsum.secure_sum.fields import (
    HASH_BYTES,
    check_hash,
    read_names,
    sorted_names,
    write_names,
)
from veilsum.wire import BytesLike, Reader, WireKind, Writer, as_bytes

__all__ = ["RoundDescriptor"]

_WIRE_VERSION = 1
_RUN_ID_BYTES = 16


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
        InvalidArgumentError: a hash or the run id has another length, the round number is below 1,
            or a name is bad or repeated.
    """

    federation_hash: bytes
    run_id: bytes
    round_number: int
    model_hash: bytes
    invited: tuple[str, ...]

    def __post_init__(self) -> None:
        check_hash("federation_hash", self.federation_hash)
        check_hash("model_hash", self.model_hash)
        if len(arguments.instance("run_id", self.run_id, bytes)) != _RUN_ID_BYTES:
            raise InvalidArgumentError(
                f"run_id has {len(self.run_id)} bytes; it must have {_RUN_ID_BYTES}, such as "
                f"secrets.token_bytes({_RUN_ID_BYTES})"
            )
        round_number = arguments.count("round_number", self.round_number, at_least=1)
        object.__setattr__(self, "round_number", round_number)
        object.__setattr__(self, "invited", sorted_names("invited", self.invited))

    @cached_property
    def round_id(self) -> bytes:
        """SHA-256 of the wire form: the name of the round in all other messages."""
        return hashlib.sha256(self.to_bytes()).digest()

    def to_bytes(self) -> bytes:
        """The wire form (docs/wire-format.md, section 6)."""
        writer = Writer(WireKind.ROUND_DESCRIPTOR, _WIRE_VERSION)
        writer.bytes(self.federation_hash)
        writer.bytes(self.run_id)
        writer.u64(self.round_number)
        writer.bytes(self.model_hash)
        write_names(writer, self.invited)
        return writer.finish()

    @staticmethod
    def from_bytes(data: BytesLike) -> "RoundDescriptor":
        """Read what ``to_bytes`` wrote.

        Raises:
            MalformedDataError: the bytes are not those of a descriptor.
        """
        reader = Reader(as_bytes(data), WireKind.ROUND_DESCRIPTOR, _WIRE_VERSION)
        federation_hash, run_id = reader.bytes(HASH_BYTES), reader.bytes(_RUN_ID_BYTES)
        round_number, model_hash = reader.u64(), reader.bytes(HASH_BYTES)
        invited = read_names(reader)
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
