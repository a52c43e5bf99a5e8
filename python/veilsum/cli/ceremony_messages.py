"""The messages of a key ceremony: what they say."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from veilsum.ceremony.messages import CeremonyMessage
from veilsum.cli.findings import Agreed, Contents
from veilsum.wire import WireKind

__all__ = ["CEREMONY_MESSAGES"]


def _ceremony_message(frames: Iterator[bytes], _agreed: Agreed, contents: Contents) -> None:
    message = CeremonyMessage.from_bytes(next(frames))
    contents.facts |= message.layout().shown(vars(message))
    contents.facts["body_bytes"] = len(message.body)
    contents.unchecked.append("its signature and its body, which the ceremony's holders check")


CEREMONY_MESSAGES: dict[WireKind, Callable[[Iterator[bytes], Agreed, Contents], None]] = {
    WireKind.CEREMONY_MESSAGE: _ceremony_message,
}
