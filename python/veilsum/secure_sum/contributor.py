"""The party that has data: checks what it is asked for, then sends one encrypted contribution."""

import itertools
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext

from numpy.typing import ArrayLike

from veilsum import arguments
from veilsum.codec import ClipReport
from veilsum.errors import InvalidArgumentError, PolicyRefusedError
from veilsum.identity import Identity, Role
from veilsum.privacy import Ledger
from veilsum.secure_sum.announcement import Announcement
from veilsum.secure_sum.clipping import log_clipping
from veilsum.secure_sum.contribution import Chunk, ContributionHeader
from veilsum.secure_sum.descriptor import RoundDescriptor
from veilsum.secure_sum.federation import Federation
from veilsum.secure_sum.fields import check_hash
from veilsum.secure_sum.link import ChainEnd
from veilsum.secure_sum.merkle import leaf_hash, merkle_root
from veilsum.secure_sum.outbox import Outbox
from veilsum.secure_sum.round_ledger import Before, RoundLedger, RunName
from veilsum.system import Progress
from veilsum.wire import BytesLike

__all__ = ["Contributor"]


class Contributor:
    """One contributor, round after round of one run. Use it from one thread at a time.

    It can be made anew for each message: what it must remember is in its ledgers.

    Args:
        federation: the agreement, from a trusted channel; whatever differs from it is refused.
        identity: this contributor's name and signing key, as on the federation's roster.
        rounds: which rounds it has answered; ``RoundLedger.in_memory()`` for simulations.
        ledger: the record of privacy spent; needed if the federation has noise.
        outbox: keeps the last contribution, which is then handed out again to whoever asks again.
            Several processes may share it and the ledgers; one makes a contribution at a time.

    Raises:
        InvalidArgumentError: the identity is not on the roster, or there is noise and no ledger.
        LedgerError: ``rounds`` is the ledger of a holder.
        PolicyRefusedError: ``rounds`` has pinned a newer federation of this key.
    """

    def __init__(
        self,
        federation: Federation,
        identity: Identity,
        *,
        rounds: RoundLedger,
        ledger: Ledger | None = None,
        outbox: Outbox | None = None,
    ) -> None:
        arguments.instance("federation", federation, Federation)
        arguments.instance("identity", identity, Identity)
        arguments.instance("rounds", rounds, RoundLedger)
        arguments.instance("ledger", ledger, (Ledger, type(None)))
        arguments.instance("outbox", outbox, (Outbox, type(None)))
        if federation.contributor(identity.name) != identity.enrol():
            raise InvalidArgumentError(
                f"{identity.name} is not on the federation's roster with this signing key"
            )
        rounds.check_role(Role.CONTRIBUTOR)
        self._run = RunName.of(federation)
        if federation.noise is not None and ledger is None:
            raise InvalidArgumentError(
                "the federation agreed on noise, so a contributor needs a ledger of what it "
                "spends: veilsum.privacy.Ledger.create(path, epsilon=..., delta=...)"
            )
        rounds.pin(self._run)
        self._federation = federation
        self._identity = identity
        self._rounds = rounds
        self._ledger = ledger
        self._outbox = outbox
        self._last_report: ClipReport | None = None

    @property
    def name(self) -> str:
        """As rounds invite it."""
        return self._identity.name

    @property
    def seen(self) -> ChainEnd:
        """How far the run had come in the last announcement that was answered.

        Links of later rounds are what the next announcement must bring along.
        """
        return self._rounds.chain_end(self._run)

    @property
    def last_report(self) -> ClipReport | None:
        """What clipping did to the contribution that this object made last; for its owner only."""
        return self._last_report

    def __repr__(self) -> str:
        return f"<Contributor: {self.name}, federation {self._federation.hash[:8].hex()}>"

    def contribute(
        self,
        announcement: BytesLike,
        delta: ArrayLike,
        *,
        model_hash: bytes,
        weight: float = 1.0,
        num_threads: int | None = None,
        progress: Progress | None = None,
    ) -> bytes:
        """Make this round's contribution: the bytes to send. Privacy is charged before it returns.

        With an outbox, a contribution to this round that was made before, and may be lost on its
        way, is handed out again as it was, whatever ``delta`` is now.

        Args:
            announcement: the aggregator's (``Announcement``): a signed descriptor, this
                contributor's invitation, and the signed links of rounds that were opened since its
                last, or earlier.
            delta: shape ``(dim,)``, the change of the model; see ``Codec.encrypt``.
            model_hash: ``hash_model`` of the model that this contributor received and trained, and
                of what it did so for.
            weight: what the change counts in the mean, in [0, 1].
            num_threads: as for ``Codec.encrypt``.
            progress: as for ``Codec.encrypt``.

        Raises:
            MalformedDataError: ``announcement`` is none.
            SignatureError: it is not signed by the federation's aggregator.
            PolicyRefusedError: it asks for what the agreement forbids: another federation, another
                model, a round that is over, far away or off the chain of those that were seen, a
                second contribution to a round.
            StoreInUseError: another process or thread works with the outbox.
            BudgetExhaustedError, LedgerError: the contribution cannot be recorded; nothing was
                handed out.
            TypeError, InvalidArgumentError: as ``Codec.encrypt``.
        """
        frames = self.contribute_in_frames(
            announcement,
            delta,
            model_hash=model_hash,
            weight=weight,
            num_threads=num_threads,
            progress=progress,
        )
        return b"".join(frames)

    def before_training(
        self, announcement: BytesLike, *, model_hash: bytes
    ) -> Iterator[bytes] | None:
        """Refuse now what ``contribute`` would refuse later, whatever the change is.

        Returns:
            The frames of the contribution that was made to this round before, if an outbox kept it:
            they can be sent, and there is nothing to train. Else None: train, then ``contribute``.

        Raises:
            MalformedDataError, SignatureError, PolicyRefusedError, BudgetExhaustedError,
            LedgerError: as ``contribute``. Nothing is charged or recorded.
        """
        with self._locked():
            announced, before = self._read(announcement, model_hash)
            made_before = self._made_before(announced)
            if made_before is not None:
                header, frames = made_before
                self._record(announced, before, header)
                return frames
            self._check_unanswered(announced)
        if self._federation.noise is not None and self._ledger is not None:
            self._ledger.check(
                announced.round_id, noise=self._federation.noise, codec=self._federation.codec
            )
        return None

    def contribute_in_frames(
        self,
        announcement: BytesLike,
        delta: ArrayLike,
        *,
        model_hash: bytes,
        weight: float = 1.0,
        num_threads: int | None = None,
        progress: Progress | None = None,
    ) -> Iterator[bytes]:
        """As ``contribute``, in pieces to be sent one after another, without a second copy.

        All checks and charges are done when this returns; all that is left to do is to send.
        """
        with self._locked():
            announced, before = self._read(announcement, model_hash)
            made_before = self._made_before(announced)
            if made_before is not None:
                header, frames = made_before
                self._record(announced, before, header)
                return frames
            self._check_unanswered(announced)
            return self._contribute(announced, before, delta, weight, num_threads, progress)

    def _contribute(
        self,
        announced: RoundDescriptor,
        before: Before,
        delta: ArrayLike,
        weight: float,
        num_threads: int | None,
        progress: Progress | None,
    ) -> Iterator[bytes]:
        """Make a new contribution, keep it, charge and record it, and hand it out."""
        federation = self._federation
        slots, report = federation.codec.quantise(
            delta, weight=weight, noise=federation.noise, num_threads=num_threads
        )
        try:
            log_clipping(self.name, report, federation.codec)
            sealed = federation.bodies.protect(
                slots,
                context=announced.round_id,
                maker=self.name,
                num_threads=num_threads,
                progress=progress,
            )
        finally:
            slots.fill(0)

        # Made again for each use rather than kept: it takes a hundredth of the encryption's time.
        def chunk(index: int) -> bytes:
            piece = sealed.piece(index)
            return Chunk(index=index, body=piece.body, proof=piece.proof).to_bytes()

        def frames() -> Iterator[bytes]:
            return itertools.chain([header.to_bytes()], map(chunk, range(federation.num_chunks)))

        header = ContributionHeader.signed(
            self._identity,
            round_id=announced.round_id,
            num_chunks=federation.num_chunks,
            root=merkle_root([leaf_hash(chunk(i)) for i in range(federation.num_chunks)]),
        )
        # In this order: what is charged can be sent, whatever crashes; what is sent is charged.
        # The record publishes: what is kept and not recorded is never handed out.
        if self._outbox is not None:
            self._outbox.keep(header, frames())
        try:
            self._record(announced, before, header)
        except PolicyRefusedError:
            if self._outbox is not None:
                self._outbox.drop(header.commitment)
            raise
        self._last_report = report
        return frames()

    def _locked(self) -> AbstractContextManager[None]:
        return nullcontext() if self._outbox is None else self._outbox.locked()

    def _made_before(
        self, announced: RoundDescriptor
    ) -> tuple[ContributionHeader, Iterator[bytes]] | None:
        """The contribution to this round that the ledgers name, if it was kept."""
        if self._outbox is None:
            return None
        answers = self._rounds.answered(self._run)
        commitment = answers.get(announced.round_number)
        if commitment is None and self._ledger is not None:
            # Charged, and not recorded: this contributor died in between.
            commitment = self._ledger.commitment(announced.round_id)
        found = None if commitment is None else self._outbox.find(commitment)
        # The same number may be announced anew, as another round.
        return found if found is not None and found[0].round_id == announced.round_id else None

    def _record(
        self, announced: RoundDescriptor, before: Before, header: ContributionHeader
    ) -> None:
        """Charge and record a whole contribution, before anything of it is handed out."""
        federation = self._federation
        if federation.noise is not None and self._ledger is not None:
            self._ledger.charge(
                announced.round_id,
                noise=federation.noise,
                codec=federation.codec,
                commitment=header.commitment,
            )
        self._rounds.record(
            self._run,
            announced.round_number,
            header.commitment,
            before=before,
            check=lambda answers: _check_grows(announced.round_number, answers),
        )
        if self._outbox is not None:
            self._outbox.drop_others(header.commitment)

    def _read(self, announcement: BytesLike, model_hash: bytes) -> tuple[RoundDescriptor, Before]:
        """The announcement of a round that goes on from what was seen, and asks what was agreed."""
        given = Announcement.from_bytes(announcement)
        announced = given.descriptor
        check_hash("model_hash", model_hash)
        seen = self._rounds.chain_end(self._run)
        given.verify(self._federation, seen=seen)
        self._federation.check_day()
        given.check_invites(self.name)
        if announced.model_hash != model_hash:
            raise PolicyRefusedError(
                "the round announces another model than the one received, or the same for another "
                "purpose; contributors must not be given different models"
            )
        return announced, Before(seen, announced.after, {})

    def _check_unanswered(self, announced: RoundDescriptor) -> None:
        """Again when it is recorded; here, before an hour of training or encryption."""
        answers = self._rounds.answered(self._run)
        _check_grows(announced.round_number, answers, again=True)


def _check_grows(round_number: int, answers: dict[int, bytes], *, again: bool = False) -> None:
    last = max(answers, default=0)
    if round_number < last or (again and round_number == last):
        raise PolicyRefusedError(
            f"round {round_number} is asked for, but this contributor has already contributed to "
            f"round {last} of the run"
        )
