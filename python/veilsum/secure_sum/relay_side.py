"""The calls of an aggregator that are about relays."""

from abc import abstractmethod
from collections.abc import Collection, Iterable

from veilsum import arguments
from veilsum.errors import InvalidArgumentError, ProtocolError
from veilsum.secure_sum.receiver import Receiver
from veilsum.secure_sum.relayed_part import RelayedPart
from veilsum.wire import BytesLike

__all__ = ["INTERRUPTED", "RelaySide"]

INTERRUPTED = (
    "the aggregator was interrupted while it added a contribution; make another one with the same "
    "store, which goes on with the round"
)


class RelaySide(Receiver):
    """What an ``Aggregator`` has where the round names relays; each call as its others.

    First relays report whose contributions they have, with the keys; then the aggregator fixes the
    set; only then does a relay add, for exactly that set. Nothing is believed of a relay but its
    sum of bodies, which ``spot_check`` looks at.
    """

    _relayed: RelayedPart
    _is_fixed: bool

    @property
    def relays(self) -> tuple[str, ...]:
        """The relays that have reported, or those of the set once it is fixed; sorted."""
        return self._relayed.names

    @property
    def missing_relays(self) -> tuple[str, ...]:
        """Those of them whose sums have not come."""
        return self._relayed.missing

    def receive_report(self, message: BytesLike | Iterable[BytesLike]) -> str:
        """Take what a relay tells of its contributors, and return the relay's name.

        Each contribution is checked as if it had come straight. Those before a wrong one are kept,
        and what another report had already is passed over, so that a relay may report again what
        is new, or everything.

        Args:
            message: what ``Relay.report`` gave, in one or in many pieces.

        Raises:
            ConcurrentUseError: another call is not done yet.
            MalformedDataError: ``message`` is not a report.
            ProtocolError: it is of another round or by no relay of the federation; or a
                contribution in it is not one that ``receive`` would take, is of somebody who has
                another relay or none, or not one that the relay has signed; or the set is fixed.
            SignatureError: it is not signed by the relay, or a contribution not by its contributor.
            ProofError, KeyMismatchError, InvalidCiphertextError, CapacityError: as ``receive``.
        """
        with self._one_at_a_time, self._counting_refusals():
            frames = self._intake.frames_of(message)
            return self._relayed.receive_report(frames, self._admit_through, self._headers)

    def relay_requests(self, *, leave_out: Collection[str] = ()) -> dict[str, bytes]:
        """Fix the set of the round, and make what relays are asked whose sums are missing.

        From now on no contribution is taken, and of a report nothing that is new. The set is stored
        before this returns, and a relay adds for no other. If one does not answer any more, the
        round is lost: announce the next one, since nobody was asked to lock or open this one.

        Args:
            leave_out: names of relays that have reported and whose contributors are left out, such
                as one that does not answer any more.

        Raises:
            ConcurrentUseError: another call is not done yet.
            ProtocolError: fewer contributions are in the set than the federation opens, or it is
                fixed with one of those that are to be left out.
            InvalidArgumentError: one of these is no relay of the federation.
        """
        away = frozenset(arguments.names("leave_out", leave_out))
        for name in sorted(away):
            if self._federation.relay(name) is None:
                raise InvalidArgumentError(
                    f"leave_out has {arguments.text_of(name)}, who is no relay of the federation"
                )
        with self._one_at_a_time:
            self._fix(away)
            return self._relayed.requests()

    def receive_relayed_sum(self, message: BytesLike | Iterable[BytesLike]) -> str:
        """Add a relay's sum of bodies, and return the relay's name. An error changes nothing.

        Args:
            message: what ``Relay.relayed_sum`` gave, in one or in many pieces.

        Raises:
            ConcurrentUseError: another call is not done yet.
            MalformedDataError: ``message`` is not a sum, or has residues out of range.
            ProtocolError: nothing was asked of this relay yet, it has answered already, or it is
                the sum of others, or not the one that was signed.
            SignatureError: it is not signed by the relay.
        """
        with self._one_at_a_time, self._counting_refusals():
            if self._sum.num_of_rest != len(self._leaves) + self._relayed.num_added:
                raise ProtocolError(INTERRUPTED)
            return self._relayed.receive_sum(self._intake.frames_of(message), self._sum)

    def spot_check(self, relay: str, *, chunks: int = 1) -> bytes:
        """Ask a relay what some chunks of its sum are made of, drawn at random.

        A wrong chunk is found if it is among them. Of m chunks with one that is wrong, n that are
        drawn find it with probability n / m (docs/protocol.md). Only the answer to what a relay was
        asked last counts, across restarts.

        Args:
            relay: its name; its sum has come. Before the opening or after it.
            chunks: how many, at least 1; of fewer chunks all are taken.

        Raises:
            ConcurrentUseError: another call is not done yet.
            ProtocolError: this relay has sent no sum in this round.
            InvalidArgumentError: it is no relay of the federation, or ``chunks`` is below 1.
        """
        if self._federation.relay(arguments.instance("relay", relay, str)) is None:
            raise InvalidArgumentError(
                f"relay is {arguments.text_of(relay)}, who is no relay of the federation"
            )
        most = arguments.count("chunks", chunks, at_least=1)
        with self._one_at_a_time:
            return self._relayed.spot_check(relay, chunks=most)

    def receive_spot_check(self, message: BytesLike | Iterable[BytesLike]) -> str:
        """Add again what a relay shows, in the memory of a chunk; the relay's name if all is well.

        Args:
            message: what ``Relay.answer_spot_check`` gave, in one or in many pieces.

        Raises:
            ConcurrentUseError: another call is not done yet.
            MalformedDataError: ``message`` is not such an answer.
            SignatureError: it does not answer what this aggregator has asked.
            ProtocolError: the relay has signed a wrong sum, and is named with the chunk; or what it
                shows was not signed by its contributors, or is not what it was asked for last.
        """
        with self._one_at_a_time, self._counting_refusals():
            return self._relayed.receive_spot_check(self._intake.frames_of(message))

    def _check_sums(self) -> None:
        """ProtocolError while sums of relays are missing."""
        if not self._relayed.missing:
            return
        names = ", ".join(self._relayed.missing)
        if not self._is_fixed:
            raise ProtocolError(
                f"the set is not fixed yet, and relays have reported: {names}. Ask them with "
                "relay_requests, and leave out there whoever does not answer"
            )
        raise ProtocolError(
            f"the sums of these relays are missing: {names}. Ask them again with relay_requests; "
            "if one is lost, announce the next round without it: nobody has locked or opened "
            "anything of this one"
        )

    @abstractmethod
    def _fix(self, left_out: frozenset[str]) -> None:
        """Decide on the set, for good."""
