"""The party that adds ciphertexts and can open none of them."""

import itertools
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from veilsum import arguments
from veilsum.errors import (
    InvalidArgumentError,
    MalformedDataError,
    NotEnoughSharesError,
    ProtocolError,
)
from veilsum.identity import Identity
from veilsum.secure_sum.announcement import check_announced, links_to
from veilsum.secure_sum.answers import Answers, Asked, not_asked
from veilsum.secure_sum.contribution import ContributionHeader
from veilsum.secure_sum.descriptor import RoundDescriptor
from veilsum.secure_sum.federation import Federation
from veilsum.secure_sum.invitations import AnyInvited
from veilsum.secure_sum.link import RunChain
from veilsum.secure_sum.lock import Lock
from veilsum.secure_sum.merkle import MerkleTree
from veilsum.secure_sum.opening import OpenRequest, chunk_request
from veilsum.secure_sum.relay_side import INTERRUPTED, RelaySide
from veilsum.secure_sum.relayed_part import RelayedPart
from veilsum.secure_sum.round_set import RoundSet
from veilsum.secure_sum.round_store import RoundStore, check_closed, place_of
from veilsum.secure_sum.sum_result import SumResult
from veilsum.secure_sum.transcript import Transcript
from veilsum.system import thread_count
from veilsum.wire import BytesLike, WireKind, wire_kind

__all__ = ["Aggregator"]


class Aggregator(RelaySide):
    """The aggregator's part of one round: receive, ask for the opening, combine the answers.

    It keeps one running sum, and what it was sent in its store, for the holders; with a
    ``FolderStore`` its memory does not grow with the contributors, and a new Aggregator on the same
    store goes on with the round.

    Use it from one thread at a time: while one of its methods runs, others that read or change the
    round raise ``ConcurrentUseError``, and change nothing. The requests that ``open_requests``
    hands out may be read by other threads meanwhile, for as long as the store is there.

    Args:
        federation: the agreement.
        identity: of the federation's aggregator, who signs the link of the round.
        descriptor: the round, signed by it (``RoundDescriptor.signed``).
        invited: who is invited, as it was signed with the round: names, names with their relays, or
            the list of them. None: as the store has it, of a round that is gone on with.
        chain: the links of the run up to the round that the descriptor goes on from. None for the
            first round of a run.
        store: where messages are kept, or None to keep them in memory.
        num_threads: for checking, adding and combining.

    Raises:
        InvalidArgumentError: the identity is not that of the federation's aggregator, or nobody is
            invited, neither here nor in the store.
        ProtocolError: the descriptor is of another federation, was signed with another list of
            those who are invited or with somebody who is not on the roster, goes on from another
            round than the chain ends with, or is another than the store's.
        SignatureError: it is not signed by the aggregator.
        PolicyRefusedError: its number is far above that of the last round that was opened, or its
            opener is not one that the federation asks for.
    """

    def __init__(
        self,
        federation: Federation,
        identity: Identity,
        descriptor: RoundDescriptor,
        *,
        invited: AnyInvited | None = None,
        chain: RunChain | None = None,
        store: RoundStore | None = None,
        num_threads: int | None = None,
    ) -> None:
        arguments.instance("federation", federation, Federation)
        arguments.instance("identity", identity, Identity)
        arguments.instance("descriptor", descriptor, RoundDescriptor)
        arguments.instance("chain", chain, (RunChain, type(None)))
        arguments.instance("store", store, (RoundStore, type(None)))
        thread_count(num_threads)
        if identity.enrol() != federation.aggregator:
            raise InvalidArgumentError(
                f"{identity.name} is not the federation's aggregator with this signing key"
            )
        if descriptor.federation_hash != federation.hash:
            raise ProtocolError("the descriptor is of another federation than this aggregator's")
        check_announced(descriptor, federation)
        self._links = links_to(descriptor, RunChain() if chain is None else chain)
        super().__init__(
            federation,
            identity,
            descriptor,
            invited=invited,
            store=store,
            num_threads=num_threads,
            what="the aggregator",
        )
        self._relayed = RelayedPart(
            federation,
            identity,
            round_id=descriptor.round_id,
            invited=self._invited,
            store=self._store,
            num_threads=num_threads,
        )
        self._is_fixed = False
        self._answers: Answers | None = None
        self._go_on()

    @property
    def openers(self) -> tuple[str, ...]:
        """Who may be asked to open: all holders of the key, or the one that the round names."""
        names = (party.name for party in self._federation.openers)
        return tuple(name for name in names if self._descriptor.may_open(name))

    def open_requests(
        self, *, missing: Collection[str] = (), max_chunks: int | None = None
    ) -> dict[str, Iterator[bytes]]:
        """Close the round, and make what the holders are asked next, by the name of the holder.

        Ask again and again until nobody need be asked: with the holders that are known to be
        ``missing``, only what is not answered yet is asked of the others. Holders of shares are
        first asked to check and lock the set, then to open it; whoever has the whole key is asked
        at once to open it, and where every contributor has it, the opener that the round names.
        Each request comes in pieces to be sent one after another; ``b"".join`` makes it one.

        Args:
            missing: names of holders that do not answer.
            max_chunks: of most chunks in one request what everybody sent goes along, for transports
                that bound a message; ask again for the rest. None for all of them.

        Raises:
            ConcurrentUseError: another call is not done yet.
            ProtocolError: fewer contributions came than the federation opens, or sums of relays are
                missing (``relay_requests``).
            NotEnoughSharesError: without the missing holders, a chunk cannot be opened; or the
                opener is missing, and another round with another opener must be announced.
            InvalidArgumentError: ``max_chunks`` is below 1, or nobody who is ``missing`` holds the
                key.
        """
        if max_chunks is not None:
            max_chunks = arguments.count("max_chunks", max_chunks, at_least=1)
        away = not_asked(self._federation, self.openers, missing)
        with self._one_at_a_time:
            answers = self._close()
            opener = self._descriptor.opener
            if opener in away and answers.num_missing > 0:
                raise NotEnoughSharesError(
                    f"{opener} is missing, whom the round names alone to open it: announce another "
                    "round with another opener"
                )
            asked = answers.wanted(away, max_chunks=max_chunks)
            if answers.has_begun and not self._store.names("begun"):
                self._store.put("begun", "round", [lock.to_bytes() for lock in answers.shown])
            return {name: self._request(name, answers, each) for name, each in asked.items()}

    def receive_opening(self, message: BytesLike | Iterable[BytesLike]) -> str:
        """Take a holder's answer, a lock or what it has opened, and return its name.

        Frames before a wrong one are kept. Of an answer that repeats some frames, as from a holder
        that was asked twice, the others are kept too.

        Raises:
            ConcurrentUseError: another call is not done yet.
            MalformedDataError: ``message`` is not an answer, or has slots that no sum of these
                contributions has.
            ProtocolError: it answers another request, is from somebody who is no holder, was given
                before, or nothing was asked.
            SignatureError: it is not signed by its holder.
            ProofError: the holder did not compute what it was asked; it names the holder.
            KeyMismatchError, InvalidCiphertextError: as ``PartialDecryption.from_bytes``.
        """
        with self._one_at_a_time, self._counting_refusals():
            return self._receive_opening(message)

    @property
    def num_missing_chunks(self) -> int:
        """How many of the opened chunks still want answers. All before ``open_requests``."""
        if self._answers is None:
            return self._federation.num_opened
        return self._answers.num_missing

    @property
    def has_begun(self) -> bool:
        """Whether somebody was asked to open, after locks or without: it may be open there."""
        return self._answers is not None and self._answers.has_begun

    @property
    def must_finish(self) -> bool:
        """Whether holders of shares may have begun to open the sum, and it is not open yet.

        They then refuse all later rounds that do not have this one among those before them. Before
        that a round may be abandoned, and the next one be announced.
        """
        is_open = self._answers is not None and self._answers.num_missing == 0
        return self.has_begun and not is_open and self._federation.num_locks > 0

    def finish(self) -> SumResult:
        """The sum, once enough holders have answered.

        Raises:
            ConcurrentUseError: another call is not done yet.
            ProtocolError: nothing was asked of the holders yet.
            NotEnoughSharesError: answers are missing.
            MalformedDataError: the opened integers are no sum in this codec.
            CapacityError: what was opened does not fit its slots, or is garbled: somebody sent what
                is no contribution.
        """
        with self._one_at_a_time:
            answers = self._asked()
            total, link = answers.total(), answers.link(self._identity)
            assert link is not None  # It was opened.
            return SumResult(
                sum=total,
                contributors=self.contributors,
                round_id=self._descriptor.round_id,
                transcript=answers.transcript(self._identity).to_bytes(),
                link=link,
                salt=answers.salt(self._identity),
            )

    def transcript(self) -> Transcript:
        """What was signed by whom so far, of a void round too, whose sum ``finish`` refuses.

        Its ``link`` is there as soon as the round is opened: keep it, for the next announcement.

        Raises:
            ConcurrentUseError: another call is not done yet.
        """
        with self._one_at_a_time:
            if self._answers is not None:
                return self._answers.transcript(self._identity)
            return self._contributed()

    def __repr__(self) -> str:
        state = "open" if self._answers is None else "closed"
        return (
            f"<Aggregator: round {self._descriptor.round_number} of federation "
            f"{self._federation.hash[:8].hex()}, {state}, {len(self._headers)} contributions, "
            f"{self.num_missing_chunks} of {self._federation.num_opened} chunks to be opened>"
        )

    def _receive_opening(self, message: BytesLike | Iterable[BytesLike]) -> str:
        answers = self._asked()
        name, num_repeated, is_lock = "", 0, False
        for frame in self._intake.frames_of(message):
            if wire_kind(frame) is WireKind.LOCK:
                if name:
                    raise MalformedDataError("a lock comes alone, and not behind other frames")
                name, is_lock = self._take_lock(answers, frame), True
                continue
            if is_lock:
                raise MalformedDataError("a lock comes alone, and not before other frames")
            number = answers.num_answers
            name, is_news = answers.take(frame)
            if is_news:
                self._store.put("opening", f"{number:09d}", [frame])
                continue
            num_repeated += 1
            if num_repeated > self._federation.num_opened:
                break
        if not name:
            raise MalformedDataError("the answer is empty")
        if num_repeated > 0:
            raise ProtocolError(f"{name} has answered already, in {num_repeated} of the frames")
        return name

    def _take_lock(self, answers: Answers, frame: bytes) -> str:
        lock = Lock.from_bytes(frame)
        answers.take_lock(lock)
        self._store.put("lock", place_of(lock.holder), [frame])
        return lock.holder

    def _asked(self) -> Answers:
        """What gathers the answers, once holders were asked."""
        if self._answers is None:
            raise ProtocolError("nothing was asked of the holders yet: call open_requests first")
        return self._answers

    def _admit(self, header: ContributionHeader, num_others: int) -> None:
        self._admit_through(None, header, num_others)

    @property
    def _why_late(self) -> str | None:
        return "the round is closed" if self._is_fixed else None

    def _close(self) -> Answers:
        if self._answers is None:
            if not self._relayed.names:
                self._fix(frozenset())
            self._check_sums()
            self._gather()
        assert self._answers is not None
        return self._answers

    def _fix(self, left_out: frozenset[str]) -> None:
        """Decide on the set, for good."""
        if self._is_fixed:
            if late := sorted(left_out.intersection(self._relayed.names)):
                raise ProtocolError(
                    f"the set is fixed with what came through {', '.join(late)}: announce the next "
                    "round without it"
                )
            return
        relay_of = self._invited.relay_of
        headers = {n: h for n, h in self._headers.items() if relay_of(n) not in left_out}
        fewest = self._federation.fewest
        if len(headers) < fewest:
            raise ProtocolError(
                f"{len(headers)} contributions arrived; the federation opens no sum of fewer than "
                f"{fewest}"
            )
        if self._sum.num_addends + self._relayed.num_reported != len(self._headers):
            raise ProtocolError(INTERRUPTED)
        contributed = self._set_of(headers)
        self._store.put("closed", "round", [Transcript.of(contributed, ()).to_bytes()])
        self._headers = headers
        self._is_fixed = True
        self._relayed.fix(contributed, self._sum)

    def _gather(self) -> None:
        counts = {self._sum.num_addends, self._sum.num_of_rest}
        if counts != {len(self._headers)}:
            raise ProtocolError(INTERRUPTED)
        self._answers = Answers(
            self._federation,
            self._set(),
            total=self._sum.total,
            num_threads=self._num_threads,
        )

    def _contributed(self) -> Transcript:
        """Who has contributed so far, and nothing else."""
        return Transcript.of(self._set(), ())

    def _set(self) -> RoundSet:
        """Whose contributions are in the sum so far."""
        return self._set_of(self._headers)

    def _set_of(self, headers: dict[str, ContributionHeader]) -> RoundSet:
        in_order = [header for _, header in sorted(headers.items())]
        return RoundSet.of(self._descriptor, self._invited, in_order)

    def _request(self, holder: str, answers: Answers, asked: Asked) -> Iterator[bytes]:
        """What a holder is sent. What is signed is made now, and not when it is read."""
        request = OpenRequest(
            contributed=answers.contributed,
            holder=holder,
            chunks=asked.chunks,
            num_links=len(self._links),
            locks=answers.shown,
        )
        head = [request.signed(self._identity).to_bytes()]
        head += [link.to_bytes() for link in self._links]
        return itertools.chain(head, self._pieces(asked.chunks) if asked.with_pieces else ())

    def _pieces(self, chunks: tuple[int, ...]) -> Iterator[bytes]:
        """These chunks of everybody."""
        trees = {name: MerkleTree(leaves) for name, leaves in self._leaves.items()}
        for index in chunks:
            for position, name in enumerate(self.contributors):
                if name in trees:
                    piece = chunk_request(self._store, name, trees[name], index, position)
                else:
                    piece = replace(self._relayed.piece(name, index), contribution=position)
                yield piece.to_bytes()

    def _go_on(self) -> None:
        """Take up what the store has of this round, through the same checks."""
        check_closed(self._store)
        closed = b""
        places, reported = self._store.names("contribution"), self._store.names("reported")
        if self._store.names("closed"):
            closed = next(self._store.frames("closed", "round"), b"")
            # One that was kept and not added, as by a call that was interrupted, is not in the sum.
            counted = {
                place_of(header.contributor) for header in Transcript.from_bytes(closed).headers
            }
            places = [place for place in places if place in counted]
            reported = [place for place in reported if place in counted]
        self._take_kept(places)
        self._relayed.go_on(reported, self._admit_through, self._headers)
        if closed:
            if closed != self._contributed().to_bytes():
                raise ProtocolError("the store has other contributions than when it was closed")
            self._is_fixed = True
            self._relayed.fix(self._set(), self._sum)
            self._relayed.take_kept_sums(self._sum)
        if closed and not self._relayed.missing:
            self._gather()
            assert self._answers is not None
            for name in self._store.names("lock"):
                self._answers.take_lock(Lock.from_bytes(b"".join(self._store.frames("lock", name))))
            if self._store.names("begun"):
                shown = self._store.frames("begun", "round")
                self._answers.go_on([Lock.from_bytes(frame) for frame in shown])
            for name in self._store.names("opening"):
                self._answers.take(next(self._store.frames("opening", name), b""))
