"""Who of those that were asked has answered: told while the others are awaited."""

import time
from collections.abc import Callable, Iterable

__all__ = ["Asking", "Moments"]

_FIRST_SECONDS = 30.0
_MOST_SECONDS = 300.0


class Moments:
    """When to tell that something is awaited still: less and less often.

    The first moment is half a minute after this is made; the pauses double, to five minutes.
    """

    def __init__(self) -> None:
        self._seconds = _FIRST_SECONDS
        self._next = time.monotonic() + self._seconds

    def is_due(self) -> bool:
        """Whether it is time to tell; then the next moment is a while away."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._seconds = min(2 * self._seconds, _MOST_SECONDS)
        self._next = now + self._seconds
        return True


class Asking:
    """Those that were asked one question each, and have answered or not.

    Args:
        names: who is asked.
        seconds: how long they may take.
        log: where it is told who has not answered.
    """

    def __init__(self, names: Iterable[str], *, seconds: float, log: Callable[[str], None]) -> None:
        self._missing = dict.fromkeys(names)
        self._answered = dict[str, None]()
        self._end = time.monotonic() + seconds
        self._log = log
        self._moments = Moments()

    @property
    def seconds_left(self) -> float:
        """How long they may take still; 0 when the time is over."""
        return max(0.0, self._end - time.monotonic())

    def answered(self, name: str) -> None:
        """One of them has answered, whatever it says."""
        if name in self._missing:
            del self._missing[name]
            self._answered[name] = None

    def tell(self) -> None:
        """Tell how far it is, if it is time: to be called as often as one likes."""
        if not self._missing or not self._moments.is_due():
            return
        num_all = len(self._answered) + len(self._missing)
        names = f" ({', '.join(self._answered)})" if self._answered else ""
        self._log(
            f"{len(self._answered)} of {num_all} holders that were asked have answered{names}; "
            f"waiting for {', '.join(self._missing)}, {self.seconds_left:.0f} s left"
        )
