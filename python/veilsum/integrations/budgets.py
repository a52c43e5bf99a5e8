"""Which contributors can send no more, and when a run ends for it."""

from collections.abc import Iterable, Mapping
from typing import Any

from veilsum.errors import RunEndedError
from veilsum.secure_sum import Federation

__all__ = ["Budgets"]


class Budgets:
    """Keeps who has said that its privacy budget is spent, and has not contributed since.

    What is said counts for one party, while nothing of that party is in a sum, and while whoever
    said it is still where the party is reached. So to end a run takes as many parties, all at once,
    as could have stopped it before by sending nothing. It is kept for one job of the server's:
    whoever starts again asks again.

    Args:
        federation: says who may contribute, and how many a sum takes.
    """

    def __init__(self, federation: Federation) -> None:
        self._federation = federation
        self._spent = dict[str, object]()  # By name: who said it.

    @property
    def spent(self) -> frozenset[str]:
        """The names of those whose budget is spent."""
        return frozenset(self._spent)

    def told(self, name: str, *, by: object = None) -> None:
        """A contributor says that its budget is spent; ``by``: where it is reached."""
        if self._federation.contributor(name) is not None:
            self._spent[name] = by

    def contributed(self, names: Iterable[str]) -> None:
        """These have contributed, whatever was said before."""
        for name in names:
            self._spent.pop(name, None)

    def reached_at(self, places: Mapping[str, object]) -> None:
        """Where contributors are reached now: what others have said in their place is void.

        Else one node after another, each with the name of another party, could end a run alone.
        """
        self._spent = {name: by for name, by in self._spent.items() if places.get(name) == by}

    def check(self, history: Any = None) -> None:
        """To be called when a round was not opened.

        Raises:
            RunEndedError: too few are left that may contribute; with this ``history``.
        """
        num_all, fewest = len(self._federation.contributors), self._federation.fewest
        num_left = num_all - len(self._spent)
        if num_left < fewest:
            raise RunEndedError(
                f"the run ends: {len(self._spent)} of {num_all} contributors have spent the "
                f"privacy that was agreed on ({', '.join(sorted(self._spent))}); {num_left} are "
                f"left, and no sum of fewer than {fewest} is opened. To go on takes a new "
                "agreement",
                history,
            )
