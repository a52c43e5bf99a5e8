"""The messages of rounds: what they say, and whether they verify against a federation."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from typing import Any

from veilsum.cli.ceremony_messages import CEREMONY_MESSAGES
from veilsum.cli.findings import Agreed, Contents
from veilsum.cli.relay_messages import RELAY_MESSAGES
from veilsum.errors import InvalidArgumentError, MalformedDataError, ProtocolError
from veilsum.message import Part
from veilsum.paillier.ciphertexts import Ciphertexts
from veilsum.paillier.float_message import ENCRYPTED_FLOATS
from veilsum.paillier.floats import EncryptedFloats
from veilsum.paillier.layouts import CIPHERTEXTS, PARTIAL_DECRYPTION, PLAINTEXT_PROOF
from veilsum.paillier.proofs import PlaintextProof
from veilsum.schemes.mask_shape import MaskShape
from veilsum.schemes.masking import Masking
from veilsum.schemes.vector_message import MASKED_BLOCKS, masked_form, shape_of, vector_form
from veilsum.secure_sum import (
    Chunk,
    ChunkRequest,
    ContributionHeader,
    Federation,
    Invitation,
    Invitations,
    Lock,
    Opening,
    OpenRequest,
    RoundDescriptor,
    RoundLink,
    Transcript,
)
from veilsum.secure_sum.announcement import (
    check_announced,
    check_invited,
    check_rosters,
    read_invited,
)
from veilsum.secure_sum.checks import (
    check_answer,
    check_header,
    check_set,
    read_chunk,
    requested_chunk,
)
from veilsum.secure_sum.invitations import Invited
from veilsum.secure_sum.lock import check_lock
from veilsum.secure_sum.merkle import leaf_hash, merkle_root
from veilsum.vector import Codec, EncryptedVector
from veilsum.wire import WireKind, wire_kind

__all__ = ["MESSAGES"]

_WANTED = "signatures, rosters and proofs; give --federation and --hash"


def _ciphertexts(frames: Iterator[bytes], agreed: Agreed, contents: Contents) -> None:
    data = next(frames)
    contents.facts |= CIPHERTEXTS.shown(data)
    if agreed.federation is None:
        contents.unchecked.append("that they are ciphertexts of a key; give --federation")
        return
    Ciphertexts.from_bytes(data, agreed.federation.public_key)
    contents.checked.append("ciphertexts under the federation's key")


def _encrypted_floats(frames: Iterator[bytes], agreed: Agreed, contents: Contents) -> None:
    data = next(frames)
    values = ENCRYPTED_FLOATS.read(data)
    exponent, mantissa = values["unit_exponent"], values["error_mantissa"]
    contents.facts |= {
        "unit": f"2**{exponent}",
        "bound": f"2**{(values['bound'] - 1).bit_length() + exponent}",
        "error": f"{mantissa} * 2**{values['error_exponent']}",
        **CIPHERTEXTS.shown(values["ciphertexts"]),
    }
    if agreed.federation is None:
        contents.unchecked.append("that they are ciphertexts of a key; give --federation")
        return
    EncryptedFloats.from_bytes(data, agreed.federation.public_key)
    contents.checked.append("floats under the federation's key, which has room for their bound")


def _encrypted_vector(frames: Iterator[bytes], agreed: Agreed, contents: Contents) -> None:
    data = next(frames)
    values = vector_form(Codec).read(data)
    contents.facts |= _vector_facts(values, "packed")
    _check_vector(data, agreed, contents)


def _masked_vector(frames: Iterator[bytes], agreed: Agreed, contents: Contents) -> None:
    data = next(frames)
    values = masked_form(Codec).read(data)
    context, shape = bytes(values["context"]), shape_of(values)
    contents.facts |= _vector_facts(values, "masked") | _context_facts(context)
    contents.facts |= {"mask": asdict(shape), "blocks_bytes": len(values["blocks"])}
    contents.facts["strength"] = _strength(shape, values["codec"])
    _check_vector(data, agreed, contents)


def _masked_blocks(frames: Iterator[bytes], agreed: Agreed, contents: Contents) -> None:
    data = next(frames)
    values = MASKED_BLOCKS.read(data)
    shape = shape_of(values)
    contents.facts |= {"mask": asdict(shape), "first": values["first"], "count": values["count"]}
    if agreed.federation is None:
        contents.unchecked.append("that they are blocks of a vector; give --federation")
        return
    codec = agreed.federation.codec
    contents.facts["strength"] = _strength(shape, codec)
    Masking(codec, agreed.federation.public_key, shape).read_blocks(data)
    contents.checked.append("blocks of a vector of the federation's codec")


def _vector_facts(values: dict[str, Any], scheme: str) -> dict[str, Any]:
    return {
        "scheme": scheme,
        "codec": asdict(values["codec"]),
        "num_addends": values["num_addends"],
        **CIPHERTEXTS.shown(values["ciphertexts"]),
    }


def _context_facts(context: bytes) -> dict[str, str]:
    """As text where it is text that can be shown, else as hex."""
    try:
        text = context.decode()
    except UnicodeDecodeError:
        return {"context_hex": context.hex()}
    return {"context": text} if text.isprintable() else {"context_hex": context.hex()}


def _strength(shape: MaskShape, codec: Codec) -> dict[str, float]:
    """Bits; MalformedDataError for a mask that veilsum does not make."""
    try:
        core_svp, matzov = shape.strength(codec)
    except InvalidArgumentError as error:
        raise MalformedDataError(f"masked vector: {error}") from error
    return {"core_svp_bits": round(core_svp, 1), "matzov_bits": round(matzov, 1)}


def _check_vector(data: bytes, agreed: Agreed, contents: Contents) -> None:
    if agreed.federation is None:
        contents.unchecked.append("that they are ciphertexts of a key; give --federation")
        return
    vector = EncryptedVector.from_bytes(data, agreed.federation.public_key)
    if vector.codec != agreed.federation.codec:
        raise ProtocolError("the vector has another codec than the federation")
    contents.checked.append("a vector under the federation's key and codec")


def _round_descriptor(frames: Iterator[bytes], agreed: Agreed, contents: Contents) -> None:
    descriptor = RoundDescriptor.from_bytes(next(frames))
    contents.facts |= _descriptor_facts(descriptor)
    first = next(frames, None)
    invited = None if first is None else read_invited(first)
    if invited is not None:
        contents.facts |= _invited_facts(invited)
    links = tuple(map(RoundLink.from_bytes, frames))
    if links:
        contents.facts["links"] = [_plain_facts(link) for link in links]
    if agreed.federation is None:
        contents.unchecked.append(_WANTED)
        return
    check_announced(descriptor, agreed.federation)
    contents.checked.append(f"signed by {agreed.federation.aggregator.name}, the aggregator")
    if invited is None:
        contents.unchecked.append("who is invited; that takes an announcement with an invitation")
    else:
        _check_invited(descriptor, invited, agreed.federation)
        contents.checked.append("all who are named were invited so, and are on the roster")
    if links and links[0].round_number <= descriptor.previous_number:
        contents.unchecked.append("links; a contributor checks them, who knows where they begin")


def _invitations(frames: Iterator[bytes], agreed: Agreed, contents: Contents) -> None:
    invited = Invitations.from_bytes(next(frames))
    contents.facts |= {"num_invited": len(invited), "invited_root": invited.root.hex()}
    contents.facts |= _invited_facts(invited)
    contents.unchecked.append("a list alone; compare its root with that of the announcement")


def _invitation(frames: Iterator[bytes], agreed: Agreed, contents: Contents) -> None:
    invitation = Invitation.from_bytes(next(frames))
    contents.facts |= {**_plain_facts(invitation), "path_hashes": len(invitation.path)}
    contents.unchecked.append("an invitation alone; verify the announcement it belongs to")


def _round_link(frames: Iterator[bytes], agreed: Agreed, contents: Contents) -> None:
    link = RoundLink.from_bytes(next(frames))
    contents.facts |= {**_plain_facts(link), "is_void": link.is_void}
    contents.unchecked.append("a link alone; verify the transcript of its round")


def _contribution(frames: Iterator[bytes], agreed: Agreed, contents: Contents) -> None:
    header = ContributionHeader.from_bytes(next(frames))
    contents.facts |= _plain_facts(header)
    federation = agreed.federation
    if federation is not None:
        check_header(federation, header)
    leaves = []
    for index, frame in enumerate(frames):
        leaves.append(leaf_hash(frame))
        chunk = Chunk.from_bytes(frame)
        if index < header.num_chunks and federation is not None:
            read_chunk(federation, header, index, chunk, None)
    contents.facts["chunks_here"] = len(leaves)
    if len(leaves) != header.num_chunks or merkle_root(leaves) != header.root:
        raise ProtocolError("the chunks are not those that the header commits to")
    contents.checked.append("the header's root is that of the chunks")
    if federation is None:
        contents.unchecked.append(_WANTED)
    else:
        contents.checked.append(
            f"signed by {header.contributor}; chunks and proofs as the federation has them"
        )


def _chunk(frames: Iterator[bytes], agreed: Agreed, contents: Contents) -> None:
    chunk = Chunk.from_bytes(next(frames))
    contents.facts |= _plain_facts(chunk)
    kind = wire_kind(chunk.body)
    if kind is WireKind.CIPHERTEXTS:
        contents.facts |= CIPHERTEXTS.shown(chunk.body)
    else:
        contents.facts |= {"body_kind": kind.name.lower(), "body_bytes": len(chunk.body)}
    contents.facts["proof_bytes"] = len(chunk.proof)
    contents.unchecked.append("a chunk alone; verify the contribution it belongs to")


def _open_request(frames: Iterator[bytes], agreed: Agreed, contents: Contents) -> None:
    request = OpenRequest.from_bytes(next(frames))
    contents.facts |= _descriptor_facts(request.descriptor)
    contents.facts |= _invited_facts(request.contributed.invited)
    contents.facts["holder"] = request.holder
    contents.facts["set_hash"] = request.set_hash.hex()
    contents.facts["chunks"] = list(request.chunks)
    contents.facts["contributions"] = [_short_facts(header) for header in request.headers]
    contents.facts["locks"] = [lock.holder for lock in request.locks]
    contents.facts["links"] = request.num_links
    for _ in range(request.num_links):
        RoundLink.from_bytes(next(frames, b""))
    federation = agreed.federation
    if federation is not None:
        check_announced(request.descriptor, federation)
        _check_invited(request.descriptor, request.contributed.invited, federation)
        if federation.holder(request.holder) is None:
            raise ProtocolError(f"the request is for {request.holder}, who is no holder")
        check_set(federation, request.contributed)
        request.verify(federation.aggregator)
        names = {"round_id": request.descriptor.round_id, "set_hash": request.set_hash}
        for lock in request.locks:
            check_lock(federation, lock, **names)
    _check_requested(request, frames, federation, contents)
    if federation is None:
        contents.unchecked.append(_WANTED)
    else:
        contents.checked.append(
            f"signed by {federation.aggregator.name}, the aggregator, for {request.holder}; all "
            "contributions are signed, by contributors on the roster"
        )


def _check_requested(
    request: OpenRequest,
    frames: Iterator[bytes],
    federation: Federation | None,
    contents: Contents,
) -> None:
    """The chunks that follow a request."""
    first = next(frames, None)
    if first is None and request.locks:
        contents.unchecked.append("the chunks, whose sums the holder keeps")
        return
    given = itertools.chain([first], frames)
    for index in request.chunks:
        for position, header in enumerate(request.headers):
            chunk = requested_chunk(
                next(given, None), header=header, position=position, index=index
            )
            if federation is not None:
                read_chunk(federation, header, index, chunk, None)
    contents.checked.append("the chunks are those that the headers commit to")


def _chunk_request(frames: Iterator[bytes], agreed: Agreed, contents: Contents) -> None:
    given = ChunkRequest.from_bytes(next(frames))
    contents.facts |= {**_plain_facts(given), "path_hashes": len(given.path)}
    contents.unchecked.append("a part of a request alone; verify the request")


def _lock(frames: Iterator[bytes], agreed: Agreed, contents: Contents) -> None:
    lock = Lock.from_bytes(next(frames))
    contents.facts |= _plain_facts(lock)
    federation = agreed.federation
    if federation is None:
        contents.unchecked.append("the signature; give --federation and --hash")
        return
    check_lock(federation, lock, round_id=lock.round_id, set_hash=lock.set_hash)
    contents.checked.append("signed by a holder on the roster")


def _opening(frames: Iterator[bytes], agreed: Agreed, contents: Contents) -> None:
    rows: list[dict[str, Any]] = []
    contents.facts["answers"] = rows
    federation = agreed.federation
    for frame in frames:
        answer = Opening.from_bytes(frame)
        row = {
            "holder": answer.holder,
            "round_id": answer.round_id.hex(),
            "chunk": answer.index,
            "bytes": len(frame),
        }
        rows.append(row)
        if federation is not None:
            check_answer(federation, answer)
            row |= federation.bodies.answer_facts(answer.body)
    if federation is None:
        contents.unchecked.append("signatures; give --federation and --hash")
    else:
        contents.checked.append("signed by holders on the roster")
        contents.unchecked.append("what they computed: that takes the ciphertexts of the round")


def _plaintext_proof(frames: Iterator[bytes], agreed: Agreed, contents: Contents) -> None:
    data = next(frames)
    contents.facts |= PLAINTEXT_PROOF.shown(data)
    if agreed.federation is not None:
        PlaintextProof.from_bytes(data, agreed.federation.public_key)
        contents.checked.append("well-formed, for the federation's key")
    contents.unchecked.append("the proof: that takes the ciphertexts; verify the contribution")


def _partial_decryption(frames: Iterator[bytes], agreed: Agreed, contents: Contents) -> None:
    data = next(frames)
    contents.facts |= PARTIAL_DECRYPTION.shown(data)
    if agreed.federation is not None and agreed.federation.num_locks > 0:
        contents.facts |= agreed.federation.bodies.answer_facts(data)
        contents.checked.append("well-formed, for the federation's key")
    contents.unchecked.append("its proof: that takes the ciphertexts of the round")


def _transcript(frames: Iterator[bytes], agreed: Agreed, contents: Contents) -> None:
    transcript = Transcript.from_bytes(next(frames))
    contents.facts |= _descriptor_facts(transcript.descriptor)
    contents.facts |= _invited_facts(transcript.contributed.invited)
    contents.transcript = transcript
    contents.facts["outcome"] = transcript.outcome
    end = transcript.end
    contents.facts["link"] = None if end is None else end.link.hex()
    contents.facts["contributions"] = [_short_facts(header) for header in transcript.headers]
    contents.facts["locks"] = [lock.holder for lock in transcript.locks]
    names = sorted({receipt.holder for receipt in transcript.receipts})
    contents.facts["holders"] = [
        {"name": name, "answers": sum(receipt.holder == name for receipt in transcript.receipts)}
        for name in names
    ]
    if agreed.federation is None:
        contents.unchecked.append(_WANTED)
        return
    chunks, missing = agreed.federation.num_opened, transcript.missing(agreed.federation)
    contents.facts["chunks"] = chunks
    contents.facts["chunks_not_opened"] = list(missing)
    transcript.verify(agreed.federation)
    contents.checked.append(
        f"{len(transcript.headers)} contributors and {len(names)} holders of the federation signed "
        "this round, and all of the same set; "
        f"{chunks - len(missing)} of {chunks} chunks were opened"
    )


def _plain_facts(part: Part) -> dict[str, Any]:
    return part.layout().shown(vars(part))


def _descriptor_facts(descriptor: RoundDescriptor) -> dict[str, Any]:
    return {"round_id": descriptor.round_id.hex(), **_plain_facts(descriptor)}


def _short_facts(header: ContributionHeader) -> dict[str, Any]:
    return {"contributor": header.contributor, "root": header.root.hex()}


def _invited_facts(invited: Invitation | Invitations) -> dict[str, Any]:
    """The names that a message has, and their relays where there are any."""
    if isinstance(invited, Invitation):
        return {"invitation": _plain_facts(invited)}
    relays = {one.name: one.relay for one in invited.invited if one.relay is not None}
    return {"invited": list(invited), **({"relays": relays} if relays else {})}


def _check_invited(
    descriptor: RoundDescriptor, invited: Invitation | Invitations, federation: Federation
) -> None:
    if isinstance(invited, Invitation):
        invited.verify(descriptor.num_invited, descriptor.invited_root)
        each: Iterable[Invited] = [Invited(invited.name, invited.relay)]
    else:
        check_invited(descriptor, invited)
        each = invited.invited
    check_rosters(each, federation)


MESSAGES: dict[WireKind, Callable[[Iterator[bytes], Agreed, Contents], None]] = {
    WireKind.CIPHERTEXTS: _ciphertexts,
    WireKind.ENCRYPTED_FLOATS: _encrypted_floats,
    WireKind.ENCRYPTED_VECTOR: _encrypted_vector,
    WireKind.MASKED_VECTOR: _masked_vector,
    WireKind.MASKED_BLOCKS: _masked_blocks,
    WireKind.ROUND_DESCRIPTOR: _round_descriptor,
    WireKind.CONTRIBUTION: _contribution,
    WireKind.CHUNK: _chunk,
    WireKind.OPEN_REQUEST: _open_request,
    WireKind.CHUNK_REQUEST: _chunk_request,
    WireKind.OPENING: _opening,
    WireKind.PLAINTEXT_PROOF: _plaintext_proof,
    WireKind.PARTIAL_DECRYPTION: _partial_decryption,
    WireKind.TRANSCRIPT: _transcript,
    WireKind.ROUND_LINK: _round_link,
    WireKind.LOCK: _lock,
    WireKind.INVITATIONS: _invitations,
    WireKind.INVITATION: _invitation,
    **RELAY_MESSAGES,
    **CEREMONY_MESSAGES,
}
