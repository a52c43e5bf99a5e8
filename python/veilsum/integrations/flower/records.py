"""What travels in Flower's messages: one record, of our bytes in arrays of our own type."""

import re
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, RecordDict
from flwr.common.constant import SUPERLINK_NODE_ID, ErrorCode
from numpy.typing import NDArray

from veilsum import arguments
from veilsum.errors import MalformedDataError, ProtocolError
from veilsum.secure_sum import hash_model

__all__ = [
    "ENROL",
    "OPEN",
    "RECORD",
    "STUDY",
    "announcement",
    "announcing_study",
    "error_of",
    "federation_in",
    "is_spent",
    "model_hash",
    "named_arrays",
    "naming_federation",
    "pack",
    "record_of",
    "same_layout",
    "sender",
    "spent",
    "study_in",
    "take_announcement",
    "unpack",
]

RECORD = "veilsum"
"""The only record of a reply, and what is added to a message that announces a round."""

ENROL = "veilsum_enrol"
"""The query that asks a node which party it is."""

OPEN = "veilsum_open"
"""The query that asks a holder to open a sum."""

STUDY = "veilsum_study"
"""The query that asks a site for its sums of a study."""

_ANNOUNCEMENT = "announcement"
_FEDERATION = "federation"
_SIGNED = "signed"
_SPENT = "spent"
_STUDY = "study"
_STYPE = "veilsum/frames/1"
_DTYPE = "uint8"
_PIECE_BYTES = 4 << 20  # Flower cuts arrays into pieces of 5 MiB.
_MOST_SHOWN = 1000
_RAISED = re.compile(r"<class '(?:[\w.<>]*\.)?(\w+)'>:<'(.*)'>", re.DOTALL)
_OF_SUPERLINK: dict[int, str] = {
    ErrorCode.NODE_UNAVAILABLE: "its SuperNode is not on line (start it again)",
    ErrorCode.MESSAGE_UNAVAILABLE: (
        "what it was asked is no longer at the SuperLink, which removes what is too old, and what "
        "is for a SuperNode that was unregistered (see flwr supernode ls)"
    ),
    ErrorCode.REPLY_MESSAGE_UNAVAILABLE: (
        "its answer was too old for the SuperLink when it was fetched (see whether the clocks of "
        "both machines agree)"
    ),
}
"""What the SuperLink says of a node, in words that follow the party's name, and the cure."""
_OF_SUPERNODE: dict[int, str] = {
    ErrorCode.LOAD_CLIENT_APP_EXCEPTION: (
        "its ClientApp cannot be loaded (the log of its SuperNode says why)"
    ),
    ErrorCode.CLIENT_APP_CRASHED: (
        "its ClientApp stopped before it answered (the log of its SuperNode says why)"
    ),
}


def pack(frames: Iterable[bytes]) -> RecordDict:
    """Framed messages as the whole content of a Flower message.

    Frames are put together to pieces of a few MiB, so that each does not travel by itself.
    """
    record, piece = ArrayRecord(), bytearray()
    for frame in frames:
        if piece and len(piece) + len(frame) > _PIECE_BYTES:
            _add(record, piece)
        piece += frame
    if piece:
        _add(record, piece)
    return RecordDict({RECORD: record})


def unpack(content: RecordDict) -> Iterator[bytes]:
    """The pieces of what ``pack`` made.

    Raises:
        MalformedDataError: the content is anything else, or more than that.
    """
    record = content.get(RECORD)
    if len(content) != 1 or not isinstance(record, ArrayRecord) or not record:
        raise MalformedDataError(
            f"a message holds the records {sorted(content)}, where {RECORD} alone belongs"
        )
    if list(record) != [str(i) for i in range(len(record))]:
        raise MalformedDataError("the pieces of a message are not numbered from 0")
    if any(array.stype != _STYPE for array in record.values()):
        raise MalformedDataError(f"an array of a message is not of the type {_STYPE}")
    for array in record.values():
        yield array.data


def announcement(message: bytes) -> ConfigRecord:
    """The record that announces a round beside the model."""
    return ConfigRecord({_ANNOUNCEMENT: message})


def take_announcement(content: RecordDict) -> bytes:
    """The announced round, which is taken out of the content.

    Raises:
        ProtocolError: there is none.
    """
    record = content.pop(RECORD, None)
    message = record.get(_ANNOUNCEMENT) if isinstance(record, ConfigRecord) else None
    if not isinstance(message, bytes):
        raise ProtocolError(
            "the server announces no encrypted round: its strategy is no SecureStrategy"
        )
    return message


def announcing_study(message: bytes, study: bytes) -> RecordDict:
    """The question for a site's sums: the announced round, and the study."""
    return RecordDict({RECORD: ConfigRecord({_ANNOUNCEMENT: message, _STUDY: study})})


def study_in(content: RecordDict) -> tuple[bytes, bytes]:
    """The announced round and the study in that question.

    Raises:
        ProtocolError: it is none.
    """
    record = content.get(RECORD)
    found = record if isinstance(record, ConfigRecord) else ConfigRecord()
    message, study = found.get(_ANNOUNCEMENT), found.get(_STUDY)
    if not isinstance(message, bytes) or not isinstance(study, bytes):
        raise ProtocolError("the server announces no study: it runs no SecureStudy")
    return message, study


def naming_federation(federation_hash: bytes, signed: bytes | None) -> RecordDict:
    """The question who a node is, with the server's federation, so that the node can compare.

    With the dealer's file, if the server has it, a node whose party joined an older one is renewed.
    """
    named = {_FEDERATION: federation_hash}
    if signed is not None:
        named[_SIGNED] = signed
    return RecordDict({RECORD: ConfigRecord(named)})


def federation_in(content: RecordDict) -> tuple[bytes | None, bytes | None]:
    """The hash of the server's federation in that question, and the dealer's file; or None."""
    record = content.get(RECORD)
    if not isinstance(record, ConfigRecord):
        return None, None
    named, signed = record.get(_FEDERATION), record.get(_SIGNED)
    return named if isinstance(named, bytes) else None, (
        signed if isinstance(signed, bytes) else None
    )


def spent() -> RecordDict:
    """What a node answers whose party's privacy budget is spent: that, and nothing of how."""
    return RecordDict({RECORD: ConfigRecord({_SPENT: True})})


def is_spent(content: RecordDict) -> bool:
    """Whether that is what a node answered."""
    record = content.get(RECORD)
    return isinstance(record, ConfigRecord) and record.get(_SPENT) is True


def sender(reply: Message, questions: Mapping[int, Message]) -> int:
    """The node whose reply it is, of those that were asked; also where the SuperLink speaks for it.

    Of a reply to nothing that was asked, the node that the reply names.
    """
    for node, question in questions.items():
        asked = question.metadata.message_id
        if asked and asked == reply.metadata.reply_to_message_id:
            return node
    return int(reply.metadata.src_node_id)


def error_of(reply: Message) -> str:
    """Why there is no answer, in words that follow the name of the party that was asked.

    The SuperLink answers for a node that is gone; what it says is said of the node. The reason is
    text of others: it is cut short, and fits into one line.
    """
    code, reason = reply.error.code, str(reply.error.reason)
    by_superlink = reply.metadata.src_node_id == SUPERLINK_NODE_ID
    known = (_OF_SUPERLINK if by_superlink else _OF_SUPERNODE).get(code)
    if known is not None:
        return known
    if raised := _RAISED.fullmatch(reason):
        reason = f"{raised[1]}: {raised[2]}"
    reason = arguments.printable(reason[:_MOST_SHOWN])
    return f"the SuperLink says: {reason}" if by_superlink else reason


def named_arrays(content: RecordDict) -> dict[str, NDArray[np.generic]]:
    """The model in a message, in the order of its record.

    Raises:
        ProtocolError: not exactly one record of arrays, or arrays that are not numpy's.
    """
    records = list(content.array_records.values())
    if len(records) != 1:
        raise ProtocolError(f"a message holds {len(records)} records of arrays, not one model")
    try:
        return {name: array.numpy() for name, array in records[0].items()}
    except (TypeError, ValueError) as error:
        raise ProtocolError(f"the model has an array that numpy cannot read: {error}") from None


def record_of(model: Mapping[str, NDArray[np.generic]]) -> ArrayRecord:
    """A model as a record; its arrays keep their names and their order."""
    return ArrayRecord({name: Array(np.asarray(array)) for name, array in model.items()})


def same_layout(a: Mapping[str, NDArray[np.generic]], b: Mapping[str, NDArray[np.generic]]) -> bool:
    """Whether two models have the same names in the same order, of the same dtypes and shapes."""
    layouts = [[(name, array.dtype, array.shape) for name, array in m.items()] for m in (a, b)]
    return layouts[0] == layouts[1]


def model_hash(model: dict[str, NDArray[np.generic]]) -> bytes:
    """``hash_model`` of a model's names and arrays, in their order: apps may go by either."""
    names = b"".join(len(name).to_bytes(4, "little") + name for name in map(str.encode, model))
    return hash_model([np.frombuffer(names, np.uint8), *model.values()])


def _add(record: ArrayRecord, piece: bytearray) -> None:
    data = bytes(piece)
    piece.clear()
    record[str(len(record))] = Array(dtype=_DTYPE, shape=(len(data),), stype=_STYPE, data=data)
