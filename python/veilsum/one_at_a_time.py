"""Objects that serve one call at a time refuse a second one, instead of going wrong."""

import threading
from types import TracebackType

from veilsum.errors import ConcurrentUseError

__all__ = ["OneAtATime"]


class OneAtATime:
    """Lets one call in at a time; for a second one, of whatever thread, it is an error.

    It does not wait: two threads that use one object have no order that anybody chose, and the
    same thread within its own call would wait for ever.

        with self._one_at_a_time:
            ...  # Changes the object.
    """

    def __init__(self, what: str) -> None:
        """``what`` names the object in the error, such as "the aggregator"."""
        self._what = what
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            raise ConcurrentUseError(
                f"{self._what} is in the middle of another call; use it from one thread at a time, "
                "or under a lock. Nothing changed"
            )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lock.release()
