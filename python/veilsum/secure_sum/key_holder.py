"""The party that helps to open a sum, and refuses everything else."""

import hashlib
import itertools
from collections.abc import Iterable, Iterator
from functools import partial

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
from veilsum.schemes import Body, Proofs
from veilsum.secure_sum.announcement import check_announced, check_follows
from veilsum.secure_sum.checks import check_set, read_chunk, requested_chunk
from veilsum.secure_sum.federation import Federation
from veilsum.secure_sum.kept_sums import KeptSums
from veilsum.secure_sum.link import RoundLink
from veilsum.secure_sum.lock import Lock, check_locks
from veilsum.secure_sum.opening import Opening, OpenRequest, opening_context
from veilsum.secure_sum.round_ledger import (
    Before,
    OpenedModel,
    RoundLedger,
    RunName,
    RunSoFar,
    SetRecord,
)
from veilsum.system import Progress
from veilsum.wire import BytesLike, split_frames

__all__ = ["KeyHolder"]


class KeyHolder:
    """Whoever holds the secret key or a share of it. It can be made anew for each request.

    It opens one set of contributions for each round of one run, and none of fewer than the
    federation's ``min_contributors``; and only what it has added itself, from chunks that their
    contributors signed. With a share it does so in two steps: first it checks a set and locks it,
    for good; it opens the set when it is shown that as many holders have locked it as it takes to
    open a sum. With the whole key it locks and opens at once: its own record is the lock.

    Args:
        federation: the agreement, from a trusted channel.
        identity: this holder's name and signing key, as on the federation's roster.
        key: its ``KeyShare``, or the ``SecretKey``.
        rounds: what it has locked and opened. Not ``in_memory`` where a restart must not forget.
        sums: where it keeps what it has checked and added from the first step to the second. None
            for nowhere: it is then sent everything twice.

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
        sums: KeptSums | None = None,
    ) -> None:
        arguments.instance("federation", federation, Federation)
        arguments.instance("identity", identity, Identity)
        arguments.instance("key", key, (KeyShare, SecretKey))
        arguments.instance("rounds", rounds, RoundLedger)
        arguments.instance("sums", sums, (KeptSums, type(None)))
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
        self._sums = sums

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

        To a request without locks the answer of a holder of a share is its own ``Lock``; to one
        with enough of them it is what it has opened, or its lock again if it no longer has the sums
        of these chunks and was not sent them. Whoever has the whole key answers with what it has
        opened.

        Raises:
            MalformedDataError: ``request`` is not a request.
            PolicyRefusedError: it is for another federation or holder, for fewer contributors than
                agreed, for a round far away, off the chain of those that this holder has seen, or
                that names another opener; for another set of a round that was locked before; for a
                round before the last that was locked, or one that leaves out a round that this
                holder has begun to open; or for others than before of a model that was opened.
            ProtocolError: it has contributors who were not invited or are not on the roster, chunks
                that are missing, not those of the signed header or none that is opened, or locks
                that are too few or of another set.
            SignatureError: the round is not signed by the federation's aggregator, or a
                contribution not by its contributor.
            ProofError: a contributor did not prove that it knows what its chunk encrypts.
            KeyMismatchError, InvalidCiphertextError: as ``Ciphertexts.from_bytes``.
            LedgerError: the lock cannot be recorded. Nothing was opened.
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
        self._check_round(asked)
        model = _opened_model(asked) if self._federation.refuses_same_model else None
        so_far = self._rounds.so_far(self._run, asked.descriptor.round_number, model)
        wanted = self._record_of(asked, self._check_set(asked, frames, so_far), model)
        asked.verify(self._federation.aggregator)
        self._check_chunks(asked)
        first = next(frames, None)
        if first is None:
            totals = self._kept(asked)
        else:
            so_far.check(wanted)  # Before all that follows is read.
            totals = self._added(asked, itertools.chain([first], frames), num_threads)
        if totals is None or not self._is_shown_enough(asked):
            yield self._locked(asked, wanted, totals)
            return
        for done, (index, total) in enumerate(totals):
            # Recorded before anything is opened: what fails then is not tried with others.
            self._rounds.begin(wanted)
            answer = self._answer(asked, total, index, num_threads)
            if progress is not None:
                progress(done + 1, len(asked.chunks))
            yield answer

    def _check_round(self, asked: OpenRequest) -> None:
        """That the round was announced and this holder is to open it: before anything else."""
        descriptor = asked.descriptor
        check_announced(descriptor, self._federation)
        if not descriptor.may_open(self.name):
            raise PolicyRefusedError(
                f"the round names {descriptor.opener} to open it, and nobody else does: "
                f"{self.name} opens rounds that name it"
            )
        self._check_recipient(asked)

    def _check_recipient(self, asked: OpenRequest) -> None:
        if asked.holder != self.name:
            raise PolicyRefusedError(
                f"the request is for {asked.holder}, and this is {self.name}: the aggregator makes "
                "one for each holder"
            )

    def _check_set(self, asked: OpenRequest, frames: Iterator[bytes], so_far: RunSoFar) -> Before:
        """All that can be checked without chunks; how the run came to this round."""
        descriptor, federation = asked.descriptor, self._federation
        seen = so_far.chain_end
        opened = dict[int, bytes]()

        def links() -> Iterator[RoundLink]:
            for _ in range(asked.num_links):
                link = RoundLink.from_bytes(next(frames, b""))
                yield link
                if link.round_number > seen.number:  # It was followed, and so is signed.
                    opened[link.round_number] = link.round_id + link.set_hash

        check_follows(descriptor, links(), federation, seen=seen)
        federation.check_day()
        name = asked.set_hash
        # A set is recorded after this check; who asks for it again has it as it was.
        known = so_far.answer == descriptor.round_id + name
        check_set(federation, asked.contributed, is_known=known)
        if asked.locks:
            check_locks(federation, asked.locks, round_id=descriptor.round_id, set_hash=name)
        return Before(seen, descriptor.after, opened)

    def _check_chunks(self, asked: OpenRequest) -> None:
        last, num_opened = asked.chunks[-1], self._federation.num_opened
        if last >= num_opened:
            raise ProtocolError(
                f"chunk {last} is asked for; of {self._federation.num_chunks} chunks holders open "
                f"the first {num_opened}"
            )

    def _is_shown_enough(self, asked: OpenRequest) -> bool:
        """Whether the locks of a request, which were checked, let this holder open."""
        return len(asked.locks) >= self._federation.num_locks

    def _record_of(
        self, asked: OpenRequest, before: Before, model: OpenedModel | None
    ) -> SetRecord:
        """What this holder's ledger is to know of a request."""
        descriptor = asked.descriptor
        answer = descriptor.round_id + asked.set_hash
        # One who has the whole key tells the aggregator of no lock before it opens: an aggregator
        # that it refuses could not know whether to go on.
        is_followed = self._federation.num_locks > 0
        number = descriptor.round_number
        return SetRecord(self._run, number, answer, before, model, is_followed)

    def _locked(
        self,
        asked: OpenRequest,
        wanted: SetRecord,
        totals: Iterator[tuple[int, Body]] | None,
    ) -> bytes:
        """This holder's lock, of a set whose chunks it has checked as far as they came."""
        for index, total in totals or ():
            if self._sums is not None:
                self._sums.keep(asked.set_hash, index, total.to_bytes())
        self._rounds.lock(wanted)
        return Lock.signed(
            self._identity,
            round_id=asked.descriptor.round_id,
            set_hash=asked.set_hash,
        ).to_bytes()

    def _kept(self, asked: OpenRequest) -> Iterator[tuple[int, Body]] | None:
        """The sums that this holder has kept of what is asked; None if one is not here."""
        if not asked.locks:  # Whoever is shown none has kept nothing yet.
            raise ProtocolError("fewer chunks follow than the request announces")
        if self._sums is None:
            return None
        sums, name, bodies = self._sums, asked.set_hash, self._federation.bodies

        def found(index: int) -> Body | None:
            return sums.find(name, index, partial(bodies.read_sum, chunk=index))

        first = found(asked.chunks[0])
        if first is None or not all(sums.has(name, index) for index in asked.chunks):
            return None

        def totals(total: Body) -> Iterator[tuple[int, Body]]:
            """One at a time; where one is damaged the answer ends, and it is asked for again."""
            yield asked.chunks[0], total
            for index in asked.chunks[1:]:
                following = found(index)
                if following is None:
                    return
                yield index, following

        return totals(first)

    def _added(
        self, asked: OpenRequest, frames: Iterator[bytes], num_threads: int | None
    ) -> Iterator[tuple[int, Body]]:
        """The sums of everybody's chunks that follow a request, one at a time."""
        for index in asked.chunks:
            yield index, self._recompute(asked, index, frames, num_threads)
        if next(frames, None) is not None:
            raise MalformedDataError("more chunks follow than the request announces")

    def _recompute(
        self, asked: OpenRequest, index: int, frames: Iterator[bytes], num_threads: int | None
    ) -> Body:
        """The sum of everyone's chunk ``index``, of chunks as they were signed."""
        total: Body | None = None
        proofs = self._federation.bodies.proofs()
        for position, header in enumerate(asked.headers):
            chunk = requested_chunk(
                next(frames, None), header=header, position=position, index=index
            )
            body = read_chunk(self._federation, header, index, chunk, num_threads, proofs)
            total = body if total is None else total + body
            if proofs.is_full:
                _refuse_wrong(proofs, num_threads)
        _refuse_wrong(proofs, num_threads)
        assert total is not None  # A request has contributions.
        return total

    def _answer(
        self,
        asked: OpenRequest,
        total: Body,
        index: int,
        num_threads: int | None,
    ) -> bytes:
        round_id = asked.descriptor.round_id
        body = self._key.open(
            total,
            chunk=index,
            binding=opening_context(round_id, asked.set_hash),
            num_threads=num_threads,
        )
        return Opening.signed(
            self._identity, round_id=round_id, set_hash=asked.set_hash, index=index, body=body
        ).to_bytes()


def _refuse_wrong(proofs: Proofs, num_threads: int | None) -> None:
    for error in proofs.settle(num_threads=num_threads).values():
        raise error


def _opened_model(asked: OpenRequest) -> OpenedModel:
    """What the round asks of which model, and of whom."""
    descriptor = asked.descriptor
    names = hashlib.sha256()
    for header in asked.headers:
        encoded = header.contributor.encode()
        names.update(len(encoded).to_bytes(1, "little") + encoded)
    model = descriptor.model_hash + descriptor.repeat.to_bytes(4, "little")
    return OpenedModel(model, names.digest())
