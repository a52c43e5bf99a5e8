"""How a round is opened over any transport: the holders are asked until enough have answered."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Protocol

from veilsum.errors import NotEnoughSharesError, VeilsumError
from veilsum.secure_sum import Aggregator, Federation, SumResult
from veilsum.wire import BytesLike

__all__ = ["Holders", "open_sum"]

_FIRST_PAUSE_SECONDS = 2.0
_LONGEST_PAUSE_SECONDS = 30.0
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
        log: where it tells who is missing, and whose answer is refused.
        stopped: whether to give up now; looked at while waiting.

    Raises:
        ProtocolError: too few contributions; nothing was asked of anybody.
        NotEnoughSharesError: too few holders answered in time, or it was ``stopped``.
        MalformedDataError: the opened integers are no sum.
    """
    names = {party.name for party in federation.holders or federation.contributors}
    max_chunks = federation.chunks_within(
        max_request_bytes, num_contributors=len(aggregator.contributors)
    )
    patience = _Patience(wait_seconds, stopped)
    missing = names - set(holders.present(names))
    while True:
        try:
            requests = aggregator.open_requests(missing=missing, max_chunks=max_chunks)
        except NotEnoughSharesError as error:
            log(f"holders of the key are missing: {', '.join(sorted(missing))}")
            if not patience.pause():
                raise NotEnoughSharesError(
                    f"{error}. Missing: {', '.join(sorted(missing))}"
                ) from error
            missing = names - set(holders.present(names))
            continue
        if not requests:
            return aggregator.finish()
        if federation.trust != "threshold":
            requests = dict(list(requests.items())[:1])  # One has the whole key.
        useful = set[str]()
        for name, answer in holders.ask(requests).items():
            try:
                useful.add(aggregator.receive_opening(answer))
            except VeilsumError as error:
                log(f"the answer of {name} is refused: {error}")
        missing |= requests.keys() - useful
        if useful:
            patience.renew()


class _Patience:
    """How long to go on without an answer of use."""

    def __init__(self, seconds: float, stopped: Callable[[], bool]) -> None:
        self._seconds = seconds
        self._stopped = stopped
        self.renew()

    def renew(self) -> None:
        """Something came: the time counts anew, from the next pause."""
        self._end: float | None = None
        self._pause_seconds = _FIRST_PAUSE_SECONDS

    def pause(self) -> bool:
        """Wait, longer each time, and a last time until the end; False when it is over."""
        now = time.monotonic()
        if self._end is None:
            self._end = now + self._seconds
        if now >= self._end:
            return False
        until = min(now + self._pause_seconds, self._end)
        self._pause_seconds = min(2 * self._pause_seconds, _LONGEST_PAUSE_SECONDS)
        while not self._stopped():
            left = until - time.monotonic()
            if left <= 0:
                return True
            time.sleep(min(left, _STEP_SECONDS))
        return False
