"""The party that adds ciphertexts and can open none of them."""

import hashlib
from collections import Counter
from dataclasses import dataclass

from veilsum.errors import MalformedDataError, ProtocolError, VeilsumError
from veilsum.secure_sum.federation import Federation
from veilsum.secure_sum.messages import Contribution, Opening, OpenRequest, RoundDescriptor
from veilsum.vector import Accumulator, EncryptedVector, Sum
from veilsum.wire import BytesLike, as_bytes

__all__ = ["Aggregator", "SumResult"]


@dataclass(frozen=True)
class SumResult:
    """An opened sum.

    Attributes:
        sum: the decoded sum of weighted changes, and of weights.
        contributors: whose contributions are in it, sorted.
        round_id: of the round.
        transcript: SHA-256 over the round, every contribution in the order of names, the request
            and the opening: parties that saw the same have the same.
    """

    sum: Sum
    contributors: tuple[str, ...]
    round_id: bytes
    transcript: bytes


class Aggregator:
    """The aggregator's part of one round: receive, ask for the opening, read it.

    Keeps one running sum, so its memory does not grow with the contributors but for their names.
    Use it from one thread at a time.

    Raises:
        ProtocolError: the descriptor is of another federation.
    """

    def __init__(self, federation: Federation, descriptor: RoundDescriptor) -> None:
        if descriptor.federation_hash != federation.hash:
            raise ProtocolError("the descriptor is not of this federation")
        self._federation = federation
        self._descriptor = descriptor
        self._invited = frozenset(descriptor.invited)
        self._accumulator = Accumulator(federation.codec, key=federation.public_key)
        self._received: dict[str, bytes] = {}
        self._refused: Counter[str] = Counter()
        self._request: bytes | None = None

    @property
    def contributors(self) -> tuple[str, ...]:
        """Whose contributions are in the sum so far, sorted."""
        return tuple(sorted(self._received))

    @property
    def refused(self) -> Counter[str]:
        """How many contributions were refused, by the name of the error."""
        return self._refused.copy()

    def receive(self, message: BytesLike) -> str:
        """Add one contribution and return its contributor's name. An error changes no sum.

        Raises:
            MalformedDataError: not a contribution.
            ProtocolError: of another round, of somebody who is not invited or is in the sum
                already, with another codec, already a sum, or after ``open_request``.
            KeyMismatchError, InvalidCiphertextError: as ``EncryptedVector.from_bytes``.
            CapacityError: the codec has no room for another addend.
        """
        try:
            return self._receive(as_bytes(message))
        except VeilsumError as error:
            self._refused[type(error).__name__] += 1
            raise

    def open_request(self) -> bytes:
        """Close the round and make the request to the key holder; the same bytes if asked again.

        Raises:
            ProtocolError: fewer contributions than the federation opens.
        """
        if self._request is None:
            fewest = self._federation.min_contributors
            if len(self._received) < fewest:
                raise ProtocolError(
                    f"{len(self._received)} contributions arrived; the federation opens no sum of "
                    f"fewer than {fewest}"
                )
            self._request = OpenRequest(
                descriptor=self._descriptor,
                contributors=self.contributors,
                total=self._accumulator.total.to_bytes(),
            ).to_bytes()
        return self._request

    def finish(self, opening: BytesLike) -> SumResult:
        """Read the key holder's answer.

        Raises:
            MalformedDataError: not an opening, or lanes that no sum of these contributors has.
            ProtocolError: the answer to another request, or nothing was asked.
        """
        data = as_bytes(opening)
        if self._request is None:
            raise ProtocolError("the opening of a round comes after open_request")
        answer = Opening.from_bytes(data)
        if answer.request_hash != _sha256(self._request):
            raise ProtocolError("the opening answers another request")
        codec = self._federation.codec
        if answer.lanes.shape != (codec.dim + 1,) or not codec.holds(answer.lanes):
            raise MalformedDataError("the opening has lanes that no sum in this codec has")
        total = codec.dequantise(answer.lanes, num_addends=len(self._received))
        parts = [self._descriptor.round_id]
        parts += [self._received[name] for name in self.contributors]
        parts += [_sha256(self._request), _sha256(data)]
        return SumResult(
            sum=total,
            contributors=self.contributors,
            round_id=self._descriptor.round_id,
            transcript=_sha256(b"".join(parts)),
        )

    def _receive(self, message: bytes) -> str:
        contribution = Contribution.from_bytes(message)
        name = contribution.contributor
        if contribution.round_id != self._descriptor.round_id:
            raise ProtocolError(f"the contribution of {name} is for another round")
        if self._request is not None:
            raise ProtocolError(f"the contribution of {name} is late: the round is closed")
        if name not in self._invited:
            raise ProtocolError(f"{name} is not invited to this round")
        if name in self._received:
            raise ProtocolError(f"{name} has contributed to this round already")
        vector = EncryptedVector.from_bytes(contribution.vector, self._federation.public_key)
        if vector.codec != self._federation.codec:
            raise ProtocolError(f"the contribution of {name} has another codec than agreed")
        if vector.num_addends != 1:
            raise ProtocolError(f"{name} sent a sum of {vector.num_addends}, not a contribution")
        self._accumulator.add(vector)
        self._received[name] = _sha256(message)
        return name


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
