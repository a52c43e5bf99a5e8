"""What others sent, held against the federation: the checks that every party makes alike."""

from veilsum.errors import PolicyRefusedError, ProtocolError
from veilsum.schemes import Body, Piece, Proofs
from veilsum.secure_sum.announcement import check_invited
from veilsum.secure_sum.contribution import Chunk, ContributionHeader
from veilsum.secure_sum.descriptor import RoundDescriptor
from veilsum.secure_sum.federation import Federation
from veilsum.secure_sum.invitations import Invitations
from veilsum.secure_sum.merkle import leaf_hash, path_leads_to
from veilsum.secure_sum.opening import ChunkRequest, Opening, Receipt
from veilsum.secure_sum.round_set import RoundSet

__all__ = [
    "check_answer",
    "check_answer_in_round",
    "check_header",
    "check_in_round",
    "check_set",
    "read_chunk",
    "requested_chunk",
]


def check_header(federation: Federation, header: ContributionHeader) -> None:
    """That a contribution is of somebody on the roster, in the agreed codec, and signed.

    Raises:
        ProtocolError, SignatureError: the contribution is not like that.
    """
    name = header.contributor
    contributor = federation.contributor(name)
    if contributor is None:
        raise ProtocolError(f"{name} is not on the federation's roster")
    if header.num_chunks != federation.num_chunks:
        raise ProtocolError(f"the contribution of {name} has another codec than agreed")
    header.verify(contributor)


def check_in_round(
    federation: Federation,
    descriptor: RoundDescriptor,
    invited: Invitations,
    header: ContributionHeader,
) -> None:
    """``check_header``, and that the contribution is to this round, which invites its maker.

    Requires the list that was signed with the round.

    Raises:
        ProtocolError, SignatureError: the contribution is not like that.
    """
    name = header.contributor
    if header.round_id != descriptor.round_id:
        raise ProtocolError(f"the contribution of {name} is for another round")
    if name not in invited or federation.contributor(name) is None:
        raise ProtocolError(f"{name} was not invited to the round")
    check_header(federation, header)


def check_set(federation: Federation, asked: RoundSet, *, is_known: bool = False) -> None:
    """That a set has enough contributions, each of one who is invited, for a round as signed.

    Of a set that ``is_known`` each contribution was checked before: its name commits to all that
    is signed.

    Raises:
        PolicyRefusedError: the set has fewer contributions than the federation opens.
        CapacityError: it has more than the codec has room for.
        ProtocolError: its list is not the one that was signed with the round.
        ProtocolError, SignatureError: as ``check_header``.
    """
    check_invited(asked.descriptor, asked.invited)
    if len(asked.headers) < federation.fewest:
        raise PolicyRefusedError(
            f"a sum of {len(asked.headers)} contributions is asked for; the federation opens no "
            f"sum of fewer than {federation.fewest}"
        )
    federation.codec.check_num_addends(len(asked.headers))
    if not is_known:
        for header in asked.headers:
            check_header(federation, header)


def check_answer(federation: Federation, answer: Opening | Receipt) -> None:
    """That it is signed by a holder of the federation, or ProtocolError, SignatureError."""
    holder = federation.holder(answer.holder)
    if holder is None:
        raise ProtocolError(f"{answer.holder} is no holder of the federation")
    answer.verify(holder)


def check_answer_in_round(
    federation: Federation, descriptor: RoundDescriptor, answer: Opening | Receipt
) -> None:
    """``check_answer``, and that the round does not name somebody else to open it."""
    if not descriptor.may_open(answer.holder):
        raise ProtocolError(
            f"{answer.holder} answers, and the round names {descriptor.opener} alone to open it"
        )
    check_answer(federation, answer)


def requested_chunk(
    frame: bytes | None, *, header: ContributionHeader, position: int, index: int
) -> Chunk:
    """Chunk ``index`` of the contribution at ``position`` of a request, under its signed root.

    Raises:
        MalformedDataError: ``frame`` is not a chunk request.
        ProtocolError: there is no frame, or it has another chunk than was signed.
    """
    if frame is None:
        raise ProtocolError("fewer chunks follow than the request announces")
    given = ChunkRequest.from_bytes(frame)
    if given.contribution != position or not path_leads_to(
        header.root, leaf_hash(given.chunk), index, header.num_chunks, given.path
    ):
        raise ProtocolError(f"this is not chunk {index} that {header.contributor} signed")
    return Chunk.from_bytes(given.chunk)


def read_chunk(
    federation: Federation,
    header: ContributionHeader,
    index: int,
    chunk: Chunk,
    num_threads: int | None,
    proofs: Proofs | None = None,
) -> Body:
    """What is in chunk ``index``, checked, with the proof that the scheme demands of it.

    With ``proofs``, which takes the proof, it is checked when they are settled.

    Raises:
        ProtocolError: it is another chunk.
        ProofError: a proof is missing, or does not hold; the error names the contributor.
        MalformedDataError, KeyMismatchError, InvalidCiphertextError: as ``Scheme.read``.
    """
    name = header.contributor
    if chunk.index != index:
        raise ProtocolError(f"{name} sent a chunk {chunk.index} where chunk {index} belongs")
    body: Body = federation.bodies.read(
        Piece(chunk.body, chunk.proof),
        chunk=index,
        context=header.round_id,
        maker=name,
        num_threads=num_threads,
        proofs=proofs,
    )
    return body
