"""Reading a chunk that somebody sent."""

from veilsum.ciphertexts import Ciphertexts
from veilsum.errors import ProofError, ProtocolError
from veilsum.proofs import PlaintextProof
from veilsum.secure_sum.contribution import Chunk, ContributionHeader, proof_context
from veilsum.secure_sum.federation import Federation

__all__ = ["read_chunk"]


def read_chunk(
    federation: Federation,
    header: ContributionHeader,
    index: int,
    chunk: Chunk,
    num_threads: int | None,
) -> Ciphertexts:
    """The ciphertexts of chunk ``index``, checked, with their proof where the key is shared out.

    Raises:
        ProtocolError: another chunk, or not as many ciphertexts as it must have.
        ProofError: names the contributor whose proof does not hold.
        MalformedDataError, KeyMismatchError, InvalidCiphertextError: as
            ``Ciphertexts.from_bytes`` and ``PlaintextProof.from_bytes``.
    """
    name = header.contributor
    ciphertexts = Ciphertexts.from_bytes(chunk.ciphertexts, federation.public_key)
    wanted = len(federation.chunk_range(index))
    if chunk.index != index or ciphertexts.shape != (wanted,):
        raise ProtocolError(
            f"{name} sent a chunk {chunk.index} of shape {ciphertexts.shape} where chunk {index} "
            f"of {wanted} ciphertexts belongs"
        )
    if federation.trust != "threshold":
        if chunk.proof:
            raise ProtocolError(f"{name} sent a proof where none belongs")
        return ciphertexts
    proof = PlaintextProof.from_bytes(chunk.proof, federation.public_key)
    places = federation.chunk_range(index)
    if (proof.first, len(proof), proof.chunk) != (places.start, wanted, federation.chunk_size):
        raise ProtocolError(
            f"{name} sent the proof of other ciphertexts than those of chunk {index}"
        )
    try:
        proof.verify(
            ciphertexts, context=proof_context(header.round_id, name), num_threads=num_threads
        )
    except ProofError as error:
        raise ProofError(
            f"{name} did not prove that it knows what its chunk {index} encrypts: {error}"
        ) from error
    return ciphertexts
