"""How a round is opened over any transport: the holders are asked until enough have answered."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Protocol

from veilsum import arguments
from veilsum.errors import NotEnoughSharesError, VeilsumError
from veilsum.integrations.asking import Moments
from veilsum.secure_sum import Aggregator, Federation, SumResult
from veilsum.wire import BytesLike

__all__ = ["Holders", "await_holders", "open_sum"]

_FIRST_PAUSE_SECONDS = 2.0
_LONGEST_PAUSE_SECONDS = 30.0
_LONGEST_PAUSE_BEFORE_SECONDS = 5.0  # To ask who is there costs less than an opening.
_STEP_SECONDS = 1.0  # So often a pause looks whether it is stopped.


class Holders(Protocol):
    """How the holders of the key are reached. Believed for nothing: what they say is signed."""

    def present(self, names: Collection[str]) -> Collection[str]:
        """Which of these can be asked now."""

    def ask(
        self, requests: Mapping[str, Iterator[bytes]]
    ) -> Mapping[str, BytesLike | Iterable[BytesLike]]:
        """Ask all of them at once, and wait for a time that is bounded.

        Who is gone, silent or refuses is not in the result; why is for the log of who knows it.
        """


def await_holders(
    holders: Holders,
    *,
    federation: Federation,
    wait_seconds: float,
    log: Callable[[str], None],
    stopped: Callable[[], bool] = lambda: False,
) -> set[str]:
    """Return as soon as enough holders are there to open a sum: to be called before training.

    Args:
        holders: reaches those who have the key or a share of it.
        federation: says who they are, and how many are needed.
        wait_seconds: how long to wait for them.
        log: where it tells who is there, who is missing, and how long it still waits: at once, when
            that changes, and then less and less often.
        stopped: whether to give up now; looked at while waiting.

    Returns:
        The names of those who are there.

    Raises:
        NotEnoughSharesError: too few are there in time, or it was ``stopped``.
    """
    patience = _Patience(wait_seconds, stopped, longest=_LONGEST_PAUSE_BEFORE_SECONDS)
    names = {party.name for party in federation.openers}
    waiting = _Waiting(patience, log)
    while True:
        there = names & set(holders.present(names))
        if len(there) >= federation.bodies.num_answers:
            waiting.over(f"{len(there)} of {len(names)} holders of the key are there: enough")
            return there
        lack = _lack(federation, names, there)
        if not waiting.pause(lack):
            raise NotEnoughSharesError(
                f"{lack}. No sum could be opened, so nobody was asked to train"
            )


def open_sum(
    aggregator: Aggregator,
    holders: Holders,
    *,
    federation: Federation,
    max_request_bytes: int,
    wait_seconds: float,
    log: Callable[[str], None],
    stopped: Callable[[], bool] = lambda: False,
) -> SumResult:
    """Close the round and open its sum.

    Whoever gives no answer of use is set aside, and others are asked for what is lacking. Nobody
    can tell a holder that was away for a moment from one that will always refuse, so those set
    aside are asked again; but only when there are too few without them, and after pauses that grow.

    It ends. Whenever holders are asked, an answer is of use, of which there is at most one a holder
    and chunk, or all who were asked are set aside. And once they are too few, it gives up after
    ``wait_seconds`` without an answer of use and the requests that are then under way.

    Args:
        aggregator: of the round.
        holders: reaches those who have the key or a share of it.
        federation: says who they are.
        max_request_bytes: about how long a request may be; at least one chunk of everyone.
        wait_seconds: how long to wait when too few holders are there, or answer; anew after each
            answer of use.
        log: where it tells who is missing, as ``await_holders``, and whose answer is refused.
        stopped: whether to give up now; looked at while waiting.

    Raises:
        TypeError, InvalidArgumentError: a limit of another type, or out of range.
        ProtocolError: too few contributions; nothing was asked of anybody.
        NotEnoughSharesError: too few holders answered in time, or it was ``stopped``.
        MalformedDataError: the opened integers are no sum.
    """
    names = set(aggregator.openers)
    max_chunks = federation.chunks_within(
        arguments.count("max_request_bytes", max_request_bytes, at_least=1),
        num_contributors=len(aggregator.contributors),
    )
    patience = _Patience(wait_seconds, stopped)
    waiting = _Waiting(patience, log)
    answered = set[str]()
    missing = names - set(holders.present(names))
    while True:
        try:
            requests = aggregator.open_requests(missing=missing, max_chunks=max_chunks)
        except NotEnoughSharesError as error:
            lack = _lack(federation, names, names - missing, answered=answered)
            if not waiting.pause(lack):
                raise NotEnoughSharesError(lack) from error
            missing = names - set(holders.present(names))
            continue
        if not requests:
            return aggregator.finish()
        useful = set[str]()
        for name, answer in holders.ask(requests).items():
            try:
                signer = aggregator.receive_opening(answer)
            except VeilsumError as error:
                log(f"the answer of {name} is refused: {error}")
                continue
            if signer in requests:  # Whoever was not asked now makes nobody wait longer.
                useful.add(signer)
        answered |= useful
        missing |= requests.keys() - useful
        if useful:
            patience.renew()


def _lack(
    federation: Federation, names: set[str], there: set[str], *, answered: Collection[str] = ()
) -> str:
    """How many holders are there, or have answered, who, how many are needed, who is missing."""
    verb = "have answered" if there and there <= set(answered) else "are there"
    shown = f" ({', '.join(sorted(there))})" if there else ""
    return (
        f"{len(there)} of {len(names)} holders of the key {verb}{shown}, "
        f"{federation.bodies.num_answers} needed; missing: {', '.join(sorted(names - there))}"
    )


class _Patience:
    """How long to go on without an answer of use."""

    def __init__(
        self,
        seconds: float,
        stopped: Callable[[], bool],
        *,
        longest: float = _LONGEST_PAUSE_SECONDS,
    ) -> None:
        self._seconds = arguments.real("wait_seconds", seconds, at_least=0)
        self._stopped = stopped
        self._longest = longest
        self.renew()

    def renew(self) -> None:
        """Something came: the time counts anew, from the next pause."""
        self._end: float | None = None
        self._pause_seconds = _FIRST_PAUSE_SECONDS

    @property
    def seconds_left(self) -> float:
        """How long it still waits."""
        return self._seconds if self._end is None else max(0.0, self._end - time.monotonic())

    def pause(self) -> bool:
        """Wait, longer each time, and a last time until the end; False when it is over."""
        now = time.monotonic()
        if self._end is None:
            self._end = now + self._seconds
        if now >= self._end:
            return False
        until = min(now + self._pause_seconds, self._end)
        self._pause_seconds = min(2 * self._pause_seconds, self._longest)
        while not self._stopped():
            left = until - time.monotonic()
            if left <= 0:
                return True
            time.sleep(min(left, _STEP_SECONDS))
        return False


class _Waiting:
    """Pauses, and tells what is waited for: when it changes, and then less and less often."""

    def __init__(self, patience: _Patience, log: Callable[[str], None]) -> None:
        self._patience = patience
        self._log = log
        self._told: str | None = None
        self._moments = Moments()

    def pause(self, lack: str) -> bool:
        """Wait for what is lacking; False when it is over, which is for the caller to tell."""
        left = self._patience.seconds_left
        if left > 0 and (lack != self._told or self._moments.is_due()):
            self._log(f"{lack}; {left:.0f} s left")
            self._told = lack
        return self._patience.pause()

    def over(self, words: str) -> None:
        """What was waited for is there: tell it to whoever was told that it lacked."""
        if self._told is not None:
            self._log(words)
