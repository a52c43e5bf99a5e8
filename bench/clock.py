"""Seconds and bytes of parties that take turns in one process. Needs nothing but Python."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

OTHER = "other"  # The phase of whatever no phase is named for.

T = TypeVar("T")


@dataclass
class Account:
    """What one party spent on one part of a round: seconds by phase, bytes that it got and sent."""

    seconds: dict[str, float] = field(default_factory=dict)
    received: float = 0
    sent: float = 0

    @property
    def total(self) -> float:
        """Seconds of all phases."""
        return sum(self.seconds.values())


class Clock:
    """Gives each second of the processor to the party whose turn it is, and to its innermost phase.

    Turns and phases nest; what is inside is not counted outside again. One thread only.
    """

    def __init__(self, now: Callable[[], float] = time.process_time) -> None:
        self._now = now
        self._last = now()
        self._stack: list[tuple[Account | None, str]] = []

    @contextlib.contextmanager
    def turn(self, account: Account, phase: str = OTHER) -> Iterator[Account]:
        """It is this party's turn."""
        with self._inside(account, phase):
            yield account

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """The party whose turn it is does this."""
        account = self._stack[-1][0] if self._stack else None
        with self._inside(account, name):
            yield

    @contextlib.contextmanager
    def pause(self) -> Iterator[None]:
        """What goes on now is nobody's turn."""
        with self._inside(None, OTHER):
            yield

    def split(self, before: str, after: str) -> None:
        """What the innermost phase did until now was ``before``; what follows is ``after``."""
        account, _ = self._stack[-1]
        self._stack[-1] = (account, before)
        self._charge()
        self._stack[-1] = (account, after)

    def lend(self, account: Account, items: Iterable[T], phase: str = OTHER) -> Iterator[T]:
        """The items, each made in the turn of ``account``, whoever asks for it."""
        iterator = iter(items)
        while True:
            with self.turn(account, phase):
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item

    @contextlib.contextmanager
    def _inside(self, account: Account | None, name: str) -> Iterator[None]:
        self._charge()
        self._stack.append((account, name))
        try:
            yield
        finally:
            self._charge()
            self._stack.pop()

    def _charge(self) -> None:
        now = self._now()
        if self._stack:
            account, name = self._stack[-1]
            if account is not None:
                account.seconds[name] = account.seconds.get(name, 0.0) + now - self._last
        self._last = now
