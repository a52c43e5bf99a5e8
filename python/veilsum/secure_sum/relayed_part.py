"""What an aggregator has from relays: the keys of their contributors, and then their sums."""

import itertools
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from veilsum.errors import MalformedDataError, ProtocolError, VeilsumError
from veilsum.identity import Enrolment, Identity
from veilsum.schemes import Body, Proofs, RunningSum
from veilsum.secure_sum.checks import read_chunk, requested_chunk
from veilsum.secure_sum.contribution import Chunk, ContributionHeader
from veilsum.secure_sum.federation import Federation
from veilsum.secure_sum.invitations import Invitations
from veilsum.secure_sum.merkle import leaf_hash, merkle_root
from veilsum.secure_sum.opening import ChunkRequest
from veilsum.secure_sum.relay_report import RelayReport
from veilsum.secure_sum.relayed_sum import RelayedSum, RelayRequest
from veilsum.secure_sum.round_set import RoundSet
from veilsum.secure_sum.round_store import RoundStore, place_of
from veilsum.secure_sum.spot_check import SpotCheck, body_chunks, drawn_chunks

__all__ = ["RelayedPart"]

Admit = Callable[[str | None, ContributionHeader, int], None]
"""Refuses what may not come to the round through this relay, or is one too many beside so many
others that are being read."""

_MOST_TOGETHER = 64


@dataclass
class _FromRelay:
    """Of one relay: whose keys came, their sum, what it was asked, and its answer."""

    keys: RunningSum[Any, Any]
    headers: dict[str, ContributionHeader] = field(default_factory=dict)
    request: RelayRequest | None = None
    answer: RelayedSum | None = None


@dataclass
class _Keys:
    """A contribution of which the opened chunks were read."""

    header: ContributionHeader
    first_proof: int
    end_of_proofs: int = 0
    parts: list[Body] = field(default_factory=list)
    frames: list[bytes] = field(default_factory=list)


@dataclass
class _Waiting:
    """Those whose proofs are checked together."""

    proofs: Proofs
    keys: list[_Keys] = field(default_factory=list)

    @property
    def is_full(self) -> bool:
        return len(self.keys) == _MOST_TOGETHER or self.proofs.is_full


class RelayedPart:
    """Believes no relay: headers, keys and their proofs are checked as if they had come straight.

    Nothing is believed of a relay but its sum of bodies, which ``spot_check`` looks at in places.

    Args:
        federation: the agreement.
        identity: of the aggregator.
        round_id: of the round.
        invited: the list that was signed with it.
        store: where messages are kept.
        num_threads: for checking and adding.
    """

    def __init__(
        self,
        federation: Federation,
        identity: Identity,
        *,
        round_id: bytes,
        invited: Invitations,
        store: RoundStore,
        num_threads: int | None,
    ) -> None:
        self._federation = federation
        self._identity = identity
        self._round_id = round_id
        self._invited = invited
        self._store = store
        self._num_threads = num_threads
        self._relays: dict[str, _FromRelay] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The relays that have reported, or those of the set once it is fixed; sorted."""
        return tuple(sorted(self._relays))

    @property
    def missing(self) -> tuple[str, ...]:
        """The relays whose sums have not come."""
        return tuple(name for name in self.names if self._relays[name].answer is None)

    @property
    def num_added(self) -> int:
        """How many contributions are in the sums that came."""
        answers = (one.answer for one in self._relays.values())
        return sum(answer.num_addends for answer in answers if answer is not None)

    @property
    def num_reported(self) -> int:
        """Of how many contributions the keys came."""
        return sum(relay.keys.num_addends for relay in self._relays.values())

    # ---- before the set is fixed ----

    def receive_report(
        self, frames: Iterator[bytes], admit: Admit, headers: dict[str, ContributionHeader]
    ) -> str:
        """Check a report, and keep what is new in it, with its ``headers``; the relay's name.

        Contributions before a wrong one are kept.
        """
        head = RelayReport.from_bytes(next(frames, b""))
        head.verify(self._relay(head.relay, head.round_id))
        waiting = _Waiting(self._federation.bodies.proofs())
        try:
            for position, commitment in enumerate(head.commitments):
                header = self._reported(head.relay, commitment, frames)
                if self._is_known(head.relay, header):
                    for _ in range(self._federation.num_opened):
                        ChunkRequest.from_bytes(next(frames, b""))
                    continue
                admit(head.relay, header, len(waiting.keys))
                waiting.keys.append(self._keys(header, position, frames, waiting.proofs))
                if waiting.is_full:
                    self._settle(head.relay, waiting, headers, is_kept=False)
        except VeilsumError:
            self._settle(head.relay, waiting, headers, is_kept=False)
            raise
        self._settle(head.relay, waiting, headers, is_kept=False)
        if next(frames, None) is not None:
            raise MalformedDataError(f"{head.relay} sent more than its report announces")
        return head.relay

    def go_on(
        self, places: Collection[str], admit: Admit, headers: dict[str, ContributionHeader]
    ) -> None:
        """Take up what is kept of reports at these places, through the same checks."""
        waiting = dict[str, _Waiting]()
        for place in places:
            frames = self._store.frames("reported", place)
            header = ContributionHeader.from_bytes(next(frames, b""))
            relay = self._invited.relay_of(header.contributor)
            if relay is None:
                raise ProtocolError(f"the store has a report of {header.contributor}, who has none")
            others = waiting.setdefault(relay, _Waiting(self._federation.bodies.proofs()))
            admit(relay, header, 0)
            first = next(frames, b"")
            position = ChunkRequest.from_bytes(first).contribution
            kept = itertools.chain([first], frames)
            others.keys.append(self._keys(header, position, kept, others.proofs))
            if others.is_full:
                self._settle(relay, others, headers, is_kept=True)
        for relay, others in waiting.items():
            self._settle(relay, others, headers, is_kept=True)

    def _reported(
        self, relay: str, commitment: bytes, frames: Iterator[bytes]
    ) -> ContributionHeader:
        """The next header of a report, which has to be the one that the relay has signed."""
        header = ContributionHeader.from_bytes(next(frames, b""))
        if header.commitment != commitment:
            raise ProtocolError(
                f"{relay} reports another contribution of {header.contributor} than it has signed"
            )
        return header

    def _is_known(self, relay: str, header: ContributionHeader) -> bool:
        """Whether a report repeats what another one of this relay had."""
        known = self._relays.get(relay)
        return known is not None and known.headers.get(header.contributor) == header

    def _keys(
        self,
        header: ContributionHeader,
        position: int,
        frames: Iterator[bytes],
        proofs: Proofs,
    ) -> _Keys:
        """The opened chunks of a contribution, whose proofs are not checked yet."""
        found = _Keys(header, first_proof=len(proofs))
        for index in range(self._federation.num_opened):
            frame = next(frames, None)
            chunk = requested_chunk(frame, header=header, position=position, index=index)
            threads = self._num_threads
            found.parts.append(read_chunk(self._federation, header, index, chunk, threads, proofs))
            assert frame is not None  # Or it is no requested chunk.
            found.frames.append(frame)
        found.end_of_proofs = len(proofs)
        return found

    def _settle(
        self,
        relay: str,
        waiting: _Waiting,
        headers: dict[str, ContributionHeader],
        *,
        is_kept: bool,
    ) -> None:
        """Check the proofs of these together, and keep and add up to the first wrong one."""
        keys, waiting.keys = waiting.keys, []  # Of what cannot be checked, nothing is added.
        wrong = waiting.proofs.settle(num_threads=self._num_threads)
        for one in keys:
            for index in range(one.first_proof, one.end_of_proofs):
                if index in wrong:
                    raise wrong[index]
            header = one.header
            if header.contributor in headers:
                raise ProtocolError(f"{header.contributor} is in the report of {relay} twice")
            if not is_kept:
                place = place_of(header.contributor)
                self._store.put("reported", place, [header.to_bytes(), *one.frames])
            if relay not in self._relays:
                self._relays[relay] = _FromRelay(self._federation.bodies.running_sum())
            self._relays[relay].keys.add_opened(one.parts)
            self._relays[relay].headers[header.contributor] = header
            headers[header.contributor] = header

    def piece(self, name: str, index: int) -> ChunkRequest:
        """An opened chunk of a contributor, with its path."""
        return ChunkRequest.from_bytes(self._store.frame("reported", place_of(name), 1 + index))

    # ---- once the set is fixed ----

    def fix(self, contributed: RoundSet, total: RunningSum[Any, Any]) -> None:
        """From now on the relays of the set are asked for their sums; their keys are added."""
        counted = {header.contributor for header in contributed.headers}
        for name in self.names:
            relay = self._relays[name]
            if counted.isdisjoint(relay.headers):
                del self._relays[name]  # It is left out.
                continue
            in_order = [relay.headers[each] for each in sorted(relay.headers)]
            relay.request = RelayRequest(
                round_id=self._round_id,
                relay=name,
                set_hash=contributed.set_hash,
                commitments=tuple(header.commitment for header in in_order),
            ).signed(self._identity)
            total.add_opened(relay.keys.opened(), num_addends=len(in_order))

    def requests(self) -> dict[str, bytes]:
        """What relays are asked that have not answered yet."""
        asked = {name: self._relays[name].request for name in self.missing}
        return {name: request.to_bytes() for name, request in asked.items() if request is not None}

    def receive_sum(
        self, frames: Iterator[bytes], total: RunningSum[Any, Any], *, is_kept: bool = False
    ) -> str:
        """Check a relay's sum, keep it, and add it to the total; the name of the relay."""
        head = RelayedSum.from_bytes(next(frames, b""))
        name = head.relay
        head.verify(self._relay(name, head.round_id))
        relay = self._relays.get(name)
        if relay is None or relay.request is None:
            raise ProtocolError(f"{name} was not asked for a sum in this round")
        if relay.answer is not None:
            raise ProtocolError(f"{name} has sent its sum already")
        request = relay.request
        if (head.subset_hash, head.num_addends) != (request.subset_hash, len(request.commitments)):
            raise ProtocolError(f"{name} has added other contributions than it was asked to")
        parts = list[Body]()
        checked = self._checked_sum(head, frames, parts)
        if is_kept:
            deque(checked, maxlen=0)
        else:
            self._store.put("relayed", place_of(name), checked)
        total.add_rest(parts, num_addends=head.num_addends)
        relay.answer = head
        return name

    def take_kept_sums(self, total: RunningSum[Any, Any]) -> None:
        """Take up the sums that are kept, through the same checks."""
        for place in self._store.names("relayed"):
            self.receive_sum(self._store.frames("relayed", place), total, is_kept=True)

    def _checked_sum(
        self, head: RelayedSum, frames: Iterator[bytes], parts: list[Body]
    ) -> Iterator[bytes]:
        """The frames of a relay's sum, each checked before it is passed on."""
        wanted = body_chunks(self._federation)
        if head.num_chunks != len(wanted):
            raise ProtocolError(
                f"{head.relay} sends {head.num_chunks} chunks of a sum, which has {len(wanted)}"
            )
        yield head.to_bytes()
        leaves = []
        for index in wanted:
            frame = next(frames, None)
            if frame is None:
                raise ProtocolError(f"chunk {index} of the sum of {head.relay} is missing")
            chunk = Chunk.from_bytes(frame)
            if chunk.index != index or chunk.proof:
                raise ProtocolError(
                    f"{head.relay} sent another chunk of its sum where chunk {index} belongs"
                )
            parts.append(self._read_sum(chunk))
            leaves.append(leaf_hash(frame))
            yield frame
        if next(frames, None) is not None:
            raise MalformedDataError(f"{head.relay} sent more chunks than announced")
        if merkle_root(leaves) != head.root:
            raise ProtocolError(f"these are not the chunks of the sum that {head.relay} signed")

    def _read_sum(self, chunk: Chunk) -> Body:
        bodies, threads = self._federation.bodies, self._num_threads
        found: Body = bodies.read_sum(chunk.body, chunk=chunk.index, num_threads=threads)
        return found

    # ---- once a sum came ----

    def spot_check(self, name: str, *, chunks: int) -> bytes:
        """Ask a relay that has answered for some chunks of everybody, drawn at random."""
        asked = SpotCheck(
            round_id=self._round_id,
            relay=name,
            root=self._answer_of(name).root,
            chunks=drawn_chunks(self._federation, chunks),
        ).signed(self._identity)
        self._store.put("drawn", place_of(name), [asked.to_bytes()])
        return asked.to_bytes()

    def receive_spot_check(self, frames: Iterator[bytes]) -> str:
        """Add again what a relay shows, and compare; the name of the relay."""
        asked = SpotCheck.from_bytes(next(frames, b""))
        name = asked.relay
        answer = self._answer_of(name)
        asked.verify(self._identity.enrol())
        if (asked.round_id, asked.root) != (self._round_id, answer.root):
            raise ProtocolError(f"{name} shows what another sum is made of than it has signed")
        if asked.to_bytes() != self._drawn(name):
            # What was drawn before is known to the relay, and may be all that is right of its sum.
            raise ProtocolError(
                f"{name} does not show the chunks that it was asked for last: ask it with "
                "spot_check, and take the answer to that"
            )
        headers = self._relays[name].headers
        in_order = [headers[each] for each in sorted(headers)]
        for index in asked.chunks:
            found: Any = None
            for position, header in enumerate(in_order):
                chunk = requested_chunk(
                    next(frames, None), header=header, position=position, index=index
                )
                body = read_chunk(self._federation, header, index, chunk, self._num_threads)
                found = body if found is None else found + body
            place = 1 + index - self._federation.num_opened
            signed = Chunk.from_bytes(self._store.frame("relayed", place_of(name), place))
            if found.to_bytes() != signed.body:
                raise ProtocolError(
                    f"the relay {name} has signed a wrong sum: chunk {index} of the "
                    f"{len(in_order)} contributions that it was to add has another sum. Use no "
                    "result of this round, leave this relay out of the next, and keep the store: "
                    "the relay's signature and those of its contributors show it to others"
                )
        if next(frames, None) is not None:
            raise MalformedDataError(f"{name} shows more than it was asked for")
        return name

    def _drawn(self, name: str) -> bytes | None:
        """What a relay was asked last to show."""
        place = place_of(name)
        if place not in self._store.names("drawn"):
            return None
        return next(self._store.frames("drawn", place), None)

    def _answer_of(self, name: str) -> RelayedSum:
        found = self._relays.get(name)
        if found is None or found.answer is None:
            raise ProtocolError(f"{name} has sent no sum in this round")
        return found.answer

    def _relay(self, name: str, round_id: bytes) -> Enrolment:
        """Who signs under this name, as a relay of this round."""
        found = self._federation.relay(name)
        if found is None:
            raise ProtocolError(f"{name} is no relay of the federation")
        if round_id != self._round_id:
            raise ProtocolError(f"what {name} sent is for another round")
        return found
