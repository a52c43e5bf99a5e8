"""The messages of relays: what they say, and whether they verify against a federation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from veilsum.cli.findings import Agreed, Contents
from veilsum.errors import ProtocolError
from veilsum.identity import Enrolment
from veilsum.message import Part
from veilsum.secure_sum import (
    Chunk,
    ChunkRequest,
    ContributionHeader,
    Federation,
    RelayedSum,
    RelayReport,
    RelayRequest,
    SpotCheck,
)
from veilsum.secure_sum.checks import check_header, read_chunk, requested_chunk
from veilsum.secure_sum.merkle import leaf_hash, merkle_root
from veilsum.secure_sum.spot_check import body_chunks
from veilsum.wire import WireKind, wire_kind

__all__ = ["RELAY_MESSAGES"]

_WANTED = "signatures, rosters and proofs; give --federation and --hash"


def _relay_report(frames: Iterator[bytes], agreed: Agreed, contents: Contents) -> None:
    report = RelayReport.from_bytes(next(frames))
    contents.facts |= _facts(report)
    federation = agreed.federation
    if federation is not None:
        report.verify(_relay(federation, report.relay))
    headers, counts = list[ContributionHeader](), list[int]()
    for frame in frames:
        if wire_kind(frame) is WireKind.CONTRIBUTION:
            headers.append(ContributionHeader.from_bytes(frame))
            counts.append(0)
            if federation is not None:
                check_header(federation, headers[-1])
            continue
        if not headers:
            raise ProtocolError("chunks come before the contribution that they are of")
        header, position, index = headers[-1], len(headers) - 1, counts[-1]
        chunk = requested_chunk(frame, header=header, position=position, index=index)
        if federation is not None:
            read_chunk(federation, header, index, chunk, None)
        counts[-1] += 1
    contents.facts["contributors"] = [header.contributor for header in headers]
    if [header.commitment for header in headers] != list(report.commitments):
        raise ProtocolError("the contributions are not those that the head names")
    contents.checked.append("the chunks are those that the headers commit to")
    if federation is None:
        contents.unchecked.append(_WANTED)
        return
    if set(counts) - {federation.num_opened}:
        raise ProtocolError(f"not all contributions have {federation.num_opened} chunks")
    contents.checked.append(
        f"signed by {report.relay}, a relay; contributions by contributors on the roster, who "
        "proved what they encrypted"
    )


def _relay_request(frames: Iterator[bytes], agreed: Agreed, contents: Contents) -> None:
    request = RelayRequest.from_bytes(next(frames))
    contents.facts |= _facts(request)
    contents.facts["subset_hash"] = request.subset_hash.hex()
    _check_asked(request, agreed, contents)


def _relayed_sum(frames: Iterator[bytes], agreed: Agreed, contents: Contents) -> None:
    head = RelayedSum.from_bytes(next(frames))
    contents.facts |= _facts(head)
    federation = agreed.federation
    if federation is not None:
        head.verify(_relay(federation, head.relay))
        if head.num_chunks != len(body_chunks(federation)):
            raise ProtocolError("the sum has another codec than agreed")
    leaves = []
    for frame in frames:
        chunk = Chunk.from_bytes(frame)
        leaves.append(leaf_hash(frame))
        if federation is not None:
            if chunk.index not in body_chunks(federation):
                raise ProtocolError(f"chunk {chunk.index} is in no sum of a relay")
            federation.bodies.read_sum(chunk.body, chunk=chunk.index)
    contents.facts["chunks_here"] = len(leaves)
    if len(leaves) != head.num_chunks or merkle_root(leaves) != head.root:
        raise ProtocolError("the chunks are not those that the head commits to")
    contents.checked.append("the head's root is that of the chunks")
    if federation is None:
        contents.unchecked.append("the signature; give --federation and --hash")
    else:
        contents.checked.append(f"signed by {head.relay}, a relay")
    contents.unchecked.append("that it is the sum: the aggregator looks at it in places")


def _spot_check(frames: Iterator[bytes], agreed: Agreed, contents: Contents) -> None:
    asked = SpotCheck.from_bytes(next(frames))
    contents.facts |= _facts(asked)
    shown = [ChunkRequest.from_bytes(frame) for frame in frames]
    contents.facts["chunks_shown"] = len(shown)
    _check_asked(asked, agreed, contents)
    if shown:
        contents.unchecked.append("what the relay shows: that takes its sum, and the headers")


def _check_asked(asked: RelayRequest | SpotCheck, agreed: Agreed, contents: Contents) -> None:
    federation = agreed.federation
    if federation is None:
        contents.unchecked.append("the signature; give --federation and --hash")
        return
    _relay(federation, asked.relay)
    asked.verify(federation.aggregator)
    contents.checked.append(
        f"signed by {federation.aggregator.name}, the aggregator, for {asked.relay}, a relay"
    )


def _relay(federation: Federation, name: str) -> Enrolment:
    found = federation.relay(name)
    if found is None:
        raise ProtocolError(f"{name} is no relay of the federation")
    return found


def _facts(part: Part) -> dict[str, Any]:
    shown = dict(part.layout().shown(vars(part)))
    commitments = getattr(part, "commitments", None)
    return shown if commitments is None else {**shown, "contributions": len(commitments)}


RELAY_MESSAGES: dict[WireKind, Callable[[Iterator[bytes], Agreed, Contents], None]] = {
    WireKind.RELAY_REPORT: _relay_report,
    WireKind.RELAY_REQUEST: _relay_request,
    WireKind.RELAYED_SUM: _relayed_sum,
    WireKind.SPOT_CHECK: _spot_check,
}
