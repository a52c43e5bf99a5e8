"""Tells which parties of a federation are on line, each time that it changes."""

import logging
from collections.abc import Collection

from veilsum import arguments
from veilsum.secure_sum import Federation

__all__ = ["RollCall"]

_log = logging.getLogger("flwr.veilsum")  # shown beside Flower's own

_MOST_NAMES = 10


class RollCall:
    """Remembers who was there, and logs who is missing when that is no longer so.

    Args:
        federation: whose contributors and holders are called.
    """

    def __init__(self, federation: Federation) -> None:
        parties = (*federation.contributors, *federation.openers)
        self._names = sorted({party.name for party in parties})
        self._there: frozenset[str] | None = None

    def hear(self, there: Collection[str]) -> None:
        """These are on line: parties of the federation, by name."""
        now = frozenset(there)
        if now == self._there:
            return
        self._there = now
        missing = [arguments.printable(name) for name in self._names if name not in now]
        shown = ", ".join(missing[:_MOST_NAMES])
        if len(missing) > _MOST_NAMES:
            shown += f" and {len(missing) - _MOST_NAMES} more"
        _log.info(
            "%d of %d parties are on line; not there: %s",
            len(self._names) - len(missing),
            len(self._names),
            shown or "nobody",
        )
