"""A holder's part in making a key, without files or networks: messages go in, messages come out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from veilsum import arguments
from veilsum.ceremony.holder import ROOT_BYTES, Holder, Step, Steps
from veilsum.ceremony.introduction import introduce
from veilsum.ceremony.messages import CeremonyMessage
from veilsum.ceremony.outcome import Outcome, share_exponents
from veilsum.ceremony.search import find_modulus
from veilsum.ceremony.terms import CeremonyTerms
from veilsum.ceremony.verification import inverse_of_phi
from veilsum.errors import InvalidArgumentError, ProtocolError, VeilsumError
from veilsum.identity import Enrolment, Identity
from veilsum.wire import BytesLike

__all__ = ["KeyCeremony"]

_FIRST_ECHO = bytes(32)


def make_key(holder: Holder) -> Steps[Outcome]:
    """All steps of one holder, from the introduction to a key that all confirmed."""
    met = yield from introduce(holder)
    try:
        found = yield from find_modulus(holder, met.seeds)
        inverse = yield from inverse_of_phi(holder, met, found)
        return (yield from share_exponents(holder, met, found, inverse))
    finally:
        met.wipe()


class KeyCeremony:
    """One holder's part in making a key that nobody ever has.

    Send :attr:`message` to all other holders, hand theirs to :meth:`receive`, and go on until
    :attr:`is_done`. It is lockstep: when all messages of a step are there, the next one is.

    Everything that it draws comes of ``root``: made again with the same arguments and given the
    same messages, it says the same. Keep the root until the ceremony is over, and no longer.

    Args:
        identity: of this holder, whose enrolment is on the roster.
        roster: all holders, in the order of their numbers.
        threshold: how many of them open a sum.
        max_colluding_holders: how many may break their promises; fewer than half.
        key_bits: of the modulus.
        attempt: from 1; another one for each key, and after each failure.
        root: 32 bytes of the operating system's generator, for this attempt alone.

    Raises:
        InvalidArgumentError: numbers that do not fit together, an identity that is not on the
            roster, or a root of another length.
    """

    def __init__(
        self,
        identity: Identity,
        roster: Sequence[Enrolment],
        *,
        threshold: int,
        max_colluding_holders: int,
        key_bits: int,
        attempt: int,
        root: bytes,
    ) -> None:
        self._identity = arguments.instance("identity", identity, Identity)
        if len(arguments.instance("root", root, bytes)) != ROOT_BYTES:
            raise InvalidArgumentError(f"root has {len(root)} bytes; it has {ROOT_BYTES} bytes")
        self.terms = CeremonyTerms(
            roster=tuple(roster),
            threshold=threshold,
            max_colluding_holders=max_colluding_holders,
            key_bits=key_bits,
            attempt=attempt,
        )
        if identity.enrol() not in self.terms.roster:
            raise InvalidArgumentError(
                f"{identity.name} is not on the roster with its key: have its enrolment there"
            )
        number = self.terms.roster.index(identity.enrol()) + 1
        self._holder = Holder(self.terms, number, root)
        self._steps = make_key(self._holder)
        self._outcome: Outcome | None = None
        self._failure: str | None = None
        self._number = 0
        self._echo = _FIRST_ECHO
        self._received: dict[int, CeremonyMessage] = {}
        self._early: dict[int, CeremonyMessage] = {}
        self._say(next(self._steps))

    @property
    def holder(self) -> int:
        """This holder's number, from 1."""
        return self._holder.number

    @property
    def step(self) -> int:
        """Which step the message is of, from 0."""
        return self._number

    @property
    def step_name(self) -> str:
        """What is done in it, for people."""
        return self._message.name

    @property
    def message(self) -> bytes:
        """What this holder says in this step, for all others."""
        return self._message.to_bytes()

    @property
    def waiting_for(self) -> tuple[int, ...]:
        """The holders whose message of this step is not there."""
        return tuple(i for i in self._holder.all if i not in self._received)

    @property
    def is_done(self) -> bool:
        """Whether there is a key that all holders confirmed."""
        return self._outcome is not None

    @property
    def outcome(self) -> Outcome:
        """The key and this holder's secret exponent.

        Raises:
            ProtocolError: the ceremony is not over.
        """
        if self._outcome is None:
            raise ProtocolError("the ceremony is not over: messages of holders are missing")
        return self._outcome

    def receive(self, data: BytesLike) -> None:
        """Take a message of another holder; the same one again is passed over.

        After an error of a message that its holder signed the ceremony is over: begin another
        attempt, without a holder that was named. A message that is not signed changes nothing.

        Raises:
            MalformedDataError, SignatureError: it is no message of a holder. Nothing changed.
            ProtocolError: it belongs to another ceremony or step; or what it says is wrong, and the
                ceremony has ended.
        """
        if self._failure is not None:
            raise ProtocolError(f"the ceremony has ended: {self._failure}")
        message = CeremonyMessage.from_bytes(data)
        if message.ceremony_id != self.terms.ceremony_id:
            raise ProtocolError(
                "a message of another ceremony: have the same roster, numbers and attempt as all"
            )
        if message.holder not in self._holder.all:
            raise ProtocolError(f"there is no holder {message.holder}")
        message.verify(self.terms.roster[message.holder - 1])
        self._take(message)

    def _take(self, message: CeremonyMessage) -> None:
        if self.is_done or message.step < self._number:
            return
        if message.step > self._number + 1:
            raise ProtocolError(
                f"{self.terms.who(message.holder)} is at step {message.step} and this holder at "
                f"{self._number}: messages of the steps between are missing"
            )
        kept = self._received if message.step == self._number else self._early
        before = kept.get(message.holder)
        if before not in (None, message):
            self._end(f"{self.terms.who(message.holder)} signed two different messages of one step")
        kept[message.holder] = message
        while not self.waiting_for:
            self._advance()

    def _advance(self) -> None:
        received = self._received
        for i, message in received.items():
            if message.echo != self._echo:
                self._end(
                    f"{self.terms.who(i)} was shown other messages of the step before: what "
                    "carries them shows holders different ones, or a holder sent two"
                )
            if message.name != self._message.name:
                self._end(f"{self.terms.who(i)} is in another step: {message.name}")
        hashes = (hashlib.sha256(received[i].to_bytes()).digest() for i in self._holder.all)
        self._echo = hashlib.sha256(self._echo + b"".join(hashes)).digest()
        self._received, self._early = self._early, {}
        self._number += 1
        try:
            step = self._steps.send({i: message.body for i, message in received.items()})
        except StopIteration as end:
            self._outcome = end.value
            self._holder.wipe()
        except VeilsumError as error:
            self._end(str(error))
        except BaseException as error:
            # Such as Ctrl-C: the steps are over, and nothing can be said any more.
            self._failure = f"it was stopped by {type(error).__name__}"
            self._holder.wipe()
            raise
        else:
            self._say(step)

    def _say(self, step: Step) -> None:
        unsigned = CeremonyMessage(
            ceremony_id=self.terms.ceremony_id,
            holder=self._holder.number,
            step=self._number,
            name=step.name,
            echo=self._echo,
            signature=bytes(64),
            body=step.body,
        )
        self._message = unsigned.signed(self._identity)
        self._received[self._holder.number] = self._message

    def _end(self, failure: str) -> None:
        self._failure = failure
        self._steps.close()
        self._holder.wipe()
        raise ProtocolError(failure)

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a ceremony is not pickled: keep its root and the messages")

    def __repr__(self) -> str:
        return f"<KeyCeremony: {self.terms.who(self.holder)}, step {self._number}>"
