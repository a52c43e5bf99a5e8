"""The party that adds what some contributors send, for an aggregator that is sent their sum."""

from collections.abc import Collection, Iterator
from typing import Any

from veilsum import arguments
from veilsum.errors import (
    InvalidArgumentError,
    PolicyRefusedError,
    ProtocolError,
)
from veilsum.identity import Identity
from veilsum.schemes import Body, RunningSum
from veilsum.secure_sum.announcement import check_announced
from veilsum.secure_sum.contribution import Chunk, ContributionHeader
from veilsum.secure_sum.descriptor import RoundDescriptor
from veilsum.secure_sum.federation import Federation
from veilsum.secure_sum.invitations import AnyInvited
from veilsum.secure_sum.merkle import MerkleTree, leaf_hash, merkle_root
from veilsum.secure_sum.opening import chunk_request
from veilsum.secure_sum.receiver import Receiver
from veilsum.secure_sum.relay_report import RelayReport
from veilsum.secure_sum.relayed_sum import RelayedSum, RelayRequest
from veilsum.secure_sum.round_store import RoundStore, place_of
from veilsum.secure_sum.spot_check import SpotCheck, body_chunks
from veilsum.system import thread_count
from veilsum.wire import BytesLike, as_bytes

__all__ = ["Relay"]


class Relay(Receiver):
    """A relay's part of one round: receive, report, add what the aggregator has fixed.

    It checks what an aggregator checks, keeps what it was sent in its store, and one running sum.
    It learns what an aggregator learns of its contributors, bodies and encrypted keys, and nothing
    of what is opened. With a ``FolderStore`` a new Relay on the same store goes on with the round.

    Use it from one thread at a time, as ``Aggregator``. What it hands out may be read by other
    threads meanwhile, for as long as the store is there.

    Args:
        federation: the agreement, from a trusted channel.
        identity: of a relay of the federation.
        descriptor: the round, signed by the aggregator.
        invited: who is invited, as it was signed with the round, with the relay of each. None: as
            the store has it, of a round that is gone on with.
        store: where messages are kept, or None to keep them in memory.
        num_threads: for checking and adding.

    Raises:
        InvalidArgumentError: the identity is not that of a relay of the federation, or nobody is
            invited, neither here nor in the store.
        ProtocolError: the descriptor is of another federation or was signed with another list, or
            the store is of another round.
        SignatureError: it is not signed by the aggregator.
        PolicyRefusedError: the round is one that nobody answers (``Announcement.verify``), or the
            federation's last day is over.
    """

    def __init__(
        self,
        federation: Federation,
        identity: Identity,
        descriptor: RoundDescriptor,
        *,
        invited: AnyInvited | None = None,
        store: RoundStore | None = None,
        num_threads: int | None = None,
    ) -> None:
        arguments.instance("federation", federation, Federation)
        arguments.instance("identity", identity, Identity)
        arguments.instance("descriptor", descriptor, RoundDescriptor)
        arguments.instance("store", store, (RoundStore, type(None)))
        thread_count(num_threads)
        if federation.relay(identity.name) != identity.enrol():
            raise InvalidArgumentError(
                f"{identity.name} is not a relay of the federation with this signing key"
            )
        check_announced(descriptor, federation)
        federation.check_day()
        super().__init__(
            federation,
            identity,
            descriptor,
            invited=invited,
            store=store,
            num_threads=num_threads,
            what="the relay",
        )
        self._asked: RelayRequest | None = None
        self._signed_root: bytes | None = None
        self._go_on()

    @property
    def name(self) -> str:
        """As invitations name it."""
        return self._identity.name

    def report(self, *, known: Collection[str] = ()) -> Iterator[bytes]:
        """What the aggregator is sent before it fixes the set, in pieces: headers and keys.

        A later report goes on from the earlier ones: the aggregator passes over what it has
        already. So everything can be reported again, as after a report that was lost.

        Args:
            known: names to be left out, such as those that an earlier report had.

        Raises:
            ConcurrentUseError: another call is not done yet.
        """
        left_out = frozenset(arguments.names("known", known))
        with self._one_at_a_time:
            headers = [self._headers[name] for name in self.contributors if name not in left_out]
            head = RelayReport.signed(
                self._identity,
                round_id=self._descriptor.round_id,
                commitments=[header.commitment for header in headers],
            )
            return self._reported(head, headers)

    def relayed_sum(self, request: BytesLike) -> Iterator[bytes]:
        """Add the bodies of the contributions that the aggregator has fixed, in pieces to be sent.

        A relay adds for one set in a round, and from then on takes no contribution. Asked again for
        the same it answers the same.

        Args:
            request: of ``Aggregator.relay_requests``.

        Raises:
            ConcurrentUseError: another call is not done yet.
            MalformedDataError: ``request`` is none.
            SignatureError: it is not signed by the aggregator.
            ProtocolError: it is of another round, for another relay, or for a contribution that is
                not here.
            PolicyRefusedError: another set of this round was asked for before.
        """
        with self._one_at_a_time, self._counting_refusals():
            asked = RelayRequest.from_bytes(as_bytes(request, "request"))
            names = self._names_in(asked)
            if self._asked is None:
                self._store.put("asked", "round", [asked.to_bytes()])
                self._asked = asked
            return self._signed_sum(asked, names)

    def answer_spot_check(self, request: BytesLike) -> Iterator[bytes]:
        """Show what some chunks of the sum are made of, in pieces to be sent.

        Args:
            request: of ``Aggregator.spot_check``.

        Raises:
            ConcurrentUseError: another call is not done yet.
            MalformedDataError: ``request`` is none.
            SignatureError: it is not signed by the aggregator.
            ProtocolError: it is of another round, for another relay, for chunks that are opened, or
                no sum was asked for yet, or of another sum than this relay has signed.
        """
        with self._one_at_a_time, self._counting_refusals():
            check = SpotCheck.from_bytes(as_bytes(request, "request"))
            check.verify(self._federation.aggregator)
            self._check_for_me(check.round_id, check.relay)
            if self._asked is None:
                raise ProtocolError(f"{self.name} has signed no sum in this round yet")
            if others := set(check.chunks).difference(body_chunks(self._federation)):
                raise ProtocolError(
                    f"chunk {min(others)} is asked for; only those from "
                    f"{self._federation.num_opened} to {self._federation.num_chunks - 1} are in "
                    "the sum of a relay"
                )
            names = self._names_in(self._asked)
            if self._signed_root is None:  # By the relay that this one goes on from.
                self._signed_sum(self._asked, names)
            if self._signed_root != check.root:
                raise ProtocolError(f"{self.name} has signed another sum in this round")
            return self._shown(check, names)

    def __repr__(self) -> str:
        state = "open" if self._asked is None else "closed"
        return (
            f"<Relay: {self.name}, round {self._descriptor.round_number} of federation "
            f"{self._federation.hash[:8].hex()}, {state}, {len(self._headers)} contributions>"
        )

    def _admit(self, header: ContributionHeader, num_others: int) -> None:
        self._admit_through(self.name, header, num_others)

    @property
    def _why_late(self) -> str | None:
        return None if self._asked is None else "the set is fixed"

    def _reported(self, head: RelayReport, headers: list[ContributionHeader]) -> Iterator[bytes]:
        yield head.to_bytes()
        for position, header in enumerate(headers):
            yield header.to_bytes()
            name, tree = header.contributor, MerkleTree(self._leaves[header.contributor])
            for index in range(self._federation.num_opened):
                yield chunk_request(self._store, name, tree, index, position).to_bytes()

    def _names_in(self, asked: RelayRequest) -> list[str]:
        """Whose contributions are asked for, if they may be."""
        asked.verify(self._federation.aggregator)
        self._check_for_me(asked.round_id, asked.relay)
        if self._asked is not None and asked.subset_hash != self._asked.subset_hash:
            raise PolicyRefusedError(
                f"{self.name} was asked to add another set of this round before, and adds for one "
                "alone: the difference of two sums is that of single contributions"
            )
        names = {header.commitment: name for name, header in self._headers.items()}
        if unknown := set(asked.commitments).difference(names):
            raise ProtocolError(
                f"{self.name} is asked to add {len(unknown)} contributions that it does not have"
            )
        found = [names[commitment] for commitment in asked.commitments]
        if found != sorted(set(found)):
            raise ProtocolError(
                f"{self.name} is asked to add contributions out of order, or one of them twice"
            )
        return found

    def _check_for_me(self, round_id: bytes, relay: str) -> None:
        if relay != self.name:
            raise ProtocolError(f"the request is for {relay}, and not for {self.name}")
        if round_id != self._descriptor.round_id:
            raise ProtocolError("the request is for another round")

    def _total_of(self, names: list[str]) -> RunningSum[Any, Any]:
        """The sum of these: the running one, or made again from the store."""
        if self._sum.num_addends == len(names) == len(self._headers):
            return self._sum
        total = self._federation.bodies.running_sum()
        for name in names:
            _, *frames = self._store.frames("contribution", place_of(name))
            total.add([self._read_again(Chunk.from_bytes(frame)) for frame in frames])
        return total

    def _read_again(self, chunk: Chunk) -> Body:
        """A chunk that was checked when it came."""
        bodies, threads = self._federation.bodies, self._num_threads
        found: Body = bodies.read_sum(chunk.body, chunk=chunk.index, num_threads=threads)
        return found

    def _signed_sum(self, asked: RelayRequest, names: list[str]) -> Iterator[bytes]:
        """The head, and each chunk of the sum of these."""
        parts = self._total_of(names).rest()
        chunks = [
            Chunk(index=index, body=part.to_bytes(), proof=b"").to_bytes()
            for index, part in zip(body_chunks(self._federation), parts, strict=True)
        ]
        self._signed_root = merkle_root([leaf_hash(frame) for frame in chunks])
        head = RelayedSum.signed(
            self._identity,
            asked,
            num_addends=len(names),
            num_chunks=len(chunks),
            root=self._signed_root,
        )
        return iter([head.to_bytes(), *chunks])

    def _shown(self, check: SpotCheck, names: list[str]) -> Iterator[bytes]:
        yield check.to_bytes()
        for index in check.chunks:
            for position, name in enumerate(names):
                tree = MerkleTree(self._leaves[name])
                yield chunk_request(self._store, name, tree, index, position).to_bytes()

    def _go_on(self) -> None:
        """Take up what the store has of this round, through the same checks."""
        self._take_kept(self._store.names("contribution"))
        if self._store.names("asked"):
            asked = RelayRequest.from_bytes(next(self._store.frames("asked", "round"), b""))
            self._names_in(asked)
            self._asked = asked
