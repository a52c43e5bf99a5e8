"""The party that helps to open a sum, and refuses everything else."""

import hashlib
from collections.abc import Iterable, Iterator

from veilsum import arguments
from veilsum.errors import (
    InvalidArgumentError,
    MalformedDataError,
    PolicyRefusedError,
    ProtocolError,
)
from veilsum.identity import Identity, Role
from veilsum.paillier.secret_key import SecretKey
from veilsum.paillier.threshold import KeyShare
from veilsum.schemes import Body
from veilsum.secure_sum.announcement import check_announced
from veilsum.secure_sum.checks import check_set, read_chunk, requested_chunk
from veilsum.secure_sum.federation import Federation
from veilsum.secure_sum.opening import Opening, OpenRequest, opening_context
from veilsum.secure_sum.round_ledger import RoundLedger, RunName
from veilsum.system import Progress
from veilsum.wire import BytesLike, split_frames

__all__ = ["KeyHolder"]


class KeyHolder:
    """Whoever holds the secret key or a share of it. It can be made anew for each request.

    It opens one set of contributions for each round of one run, and none of fewer than the
    federation's ``min_contributors``. With a share it opens only what it has multiplied itself,
    from chunks that their contributors signed and proved to know. With the whole key it is given
    the total and must believe the aggregator that it *is* the sum of the contributions named; it
    opens one total a round.

    Args:
        federation: the agreement, from a trusted channel.
        identity: this holder's name and signing key, as on the federation's roster.
        key: its ``KeyShare``, or the ``SecretKey``.
        rounds: what it has opened. Not ``in_memory`` where a restart must not forget.

    Raises:
        InvalidArgumentError: the identity is not on the roster, or is there in another place than
            its share.
        KeyMismatchError: the key is not the federation's.
        LedgerError: ``rounds`` is the ledger of a contributor.
        PolicyRefusedError: ``rounds`` has pinned a newer federation of this key.
    """

    def __init__(
        self,
        federation: Federation,
        identity: Identity,
        *,
        key: KeyShare | SecretKey,
        rounds: RoundLedger,
    ) -> None:
        arguments.instance("federation", federation, Federation)
        arguments.instance("identity", identity, Identity)
        arguments.instance("key", key, (KeyShare, SecretKey))
        arguments.instance("rounds", rounds, RoundLedger)
        if federation.holder(identity.name) != identity.enrol():
            raise InvalidArgumentError(
                f"{identity.name} is not among the federation's holders with this signing key"
            )
        rounds.check_role(Role.HOLDER)
        self._run = RunName.of(federation)
        self._federation = federation
        self._identity = identity
        self._key = federation.bodies.held_key(key, holder=identity.name)
        rounds.pin(self._run)
        self._rounds = rounds

    @property
    def name(self) -> str:
        """As on the roster."""
        return self._identity.name

    def __repr__(self) -> str:
        return f"<KeyHolder: {self.name}, federation {self._federation.hash[:8].hex()}>"

    def open(
        self,
        request: BytesLike | Iterable[BytesLike],
        *,
        num_threads: int | None = None,
        progress: Progress | None = None,
    ) -> bytes:
        """Answer a request: the bytes to send back. The same set again is answered again.

        Raises:
            MalformedDataError: ``request`` is not a request.
            PolicyRefusedError: it is for another federation, for fewer contributors than agreed,
                for a round far away or one that names another opener, or for another set or total
                of a round that was opened before.
            ProtocolError: it has contributors who were not invited or are not on the roster, chunks
                that are missing or not those of the signed header, or a total that does not fit.
            SignatureError: the round is not signed by the federation's aggregator, or a
                contribution not by its contributor.
            ProofError: a contributor did not prove that it knows what its chunk encrypts.
            KeyMismatchError, InvalidCiphertextError: as ``Ciphertexts.from_bytes``.
            LedgerError: that the round is opened cannot be recorded. Nothing was opened.
        """
        return b"".join(self.open_in_frames(request, num_threads=num_threads, progress=progress))

    def open_in_frames(
        self,
        request: BytesLike | Iterable[BytesLike],
        *,
        num_threads: int | None = None,
        progress: Progress | None = None,
    ) -> Iterator[bytes]:
        """As ``open``, reading the request and answering piece by piece.

        One chunk of one contribution, and the sum of those before, are in memory at a time.
        """
        frames = split_frames(
            request, max_frame_bytes=self._federation.max_frame_bytes, name="request"
        )
        first = next(frames, None)
        if first is None:
            raise MalformedDataError("the request is empty")
        asked = OpenRequest.from_bytes(first)
        self._check_set(asked)
        # Recorded before anything is opened: even an opening that fails is not tried with others.
        if self._federation.bodies.opens_totals:
            message = self._total_message(asked, frames)
            total = self._federation.bodies.read_total(message, num_addends=len(asked.headers))
            # With its total: nothing else ties that to the set.
            self._record(asked, hashlib.sha256(message).digest())
            yield self._answer(asked, total, 0, 0, num_threads, progress)
            return
        self._check_chunks(asked)
        self._record(asked)
        for done, index in enumerate(asked.chunks):
            total = self._recompute(asked, index, frames, num_threads)
            place = self._federation.bodies.chunks.units(index).start
            answer = self._answer(asked, total, index, place, num_threads, None)
            if progress is not None:
                progress(done + 1, len(asked.chunks))
            yield answer
        if next(frames, None) is not None:
            raise MalformedDataError("more chunks follow than the request announces")

    def _check_set(self, asked: OpenRequest) -> None:
        check_announced(asked.descriptor, self._federation)
        if not asked.descriptor.may_open(self.name):
            raise PolicyRefusedError(
                f"the round names {asked.descriptor.opener} to open it, and nobody else does: "
                f"{self.name} opens rounds that name it"
            )
        self._federation.check_day()
        check_set(self._federation, asked)

    def _check_chunks(self, asked: OpenRequest) -> None:
        if not asked.chunks:
            raise ProtocolError("no chunk is asked for; a holder of a share opens chunks only")
        if asked.chunks[-1] >= self._federation.num_chunks:
            raise ProtocolError(
                f"chunk {asked.chunks[-1]} is asked for; there are {self._federation.num_chunks}"
            )

    def _record(self, asked: OpenRequest, hash_of_total: bytes = b"") -> None:
        descriptor = asked.descriptor
        self._rounds.record(
            self._run,
            descriptor.round_number,
            descriptor.round_id + asked.set_hash + hash_of_total,
        )

    def _total_message(self, asked: OpenRequest, frames: Iterator[bytes]) -> bytes:
        frame = next(frames, None)
        if frame is None or asked.chunks or next(frames, None) is not None:
            raise MalformedDataError(
                "a request to a holder of the whole key must have one total, and no chunks"
            )
        return frame

    def _recompute(
        self, asked: OpenRequest, index: int, frames: Iterator[bytes], num_threads: int | None
    ) -> Body:
        """The sum of everyone's chunk ``index``, of chunks as they were signed."""
        total: Body | None = None
        for position, header in enumerate(asked.headers):
            chunk = requested_chunk(
                next(frames, None), header=header, position=position, index=index
            )
            body = read_chunk(self._federation, header, index, chunk, num_threads)
            total = body if total is None else total + body
        assert total is not None  # A request has contributions.
        return total

    def _answer(
        self,
        asked: OpenRequest,
        total: Body,
        index: int,
        first: int,
        num_threads: int | None,
        progress: Progress | None,
    ) -> bytes:
        round_id = asked.descriptor.round_id
        body = self._key.open(
            total,
            first=first,
            context=opening_context(round_id, asked.set_hash),
            num_threads=num_threads,
            progress=progress,
        )
        return Opening.signed(
            self._identity, round_id=round_id, set_hash=asked.set_hash, index=index, body=body
        ).to_bytes()
