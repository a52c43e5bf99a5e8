"""Which contributor a round names to open it, where every contributor has the key."""

from collections.abc import Collection

from veilsum.secure_sum import Federation, RoundDescriptor

__all__ = ["Openers"]


class Openers:
    """Names an opener among those who are there, and another one after one that did not open.

    Rounds take turns, by their numbers. Whoever did not open is named again only when nobody else
    is there. It is kept for one job of the server's.

    Args:
        federation: says whether its rounds name an opener at all.
    """

    def __init__(self, federation: Federation) -> None:
        self._federation = federation
        self._failed = dict[str, None]()  # Whoever failed last is last.

    def choose(self, round_number: int, present: Collection[str]) -> str | None:
        """The opener of a new round, of those ``present`` or of all; None where holders open."""
        if not self._federation.names_opener:
            return None
        there = set(present) or {party.name for party in self._federation.contributors}
        able = sorted(there - self._failed.keys())
        if able:
            return able[round_number % len(able)]
        return next(name for name in self._failed if name in there)

    def did_not_open(self, descriptor: RoundDescriptor) -> bool:
        """Note that a round was not opened; whether another round can name somebody else."""
        if descriptor.opener is None:
            return False
        self._failed.pop(descriptor.opener, None)
        self._failed[descriptor.opener] = None
        return True
