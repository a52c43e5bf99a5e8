"""What became of one check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from veilsum.errors import VeilsumError

__all__ = ["Status", "Verdict", "judged"]


class Status(str, Enum):
    """An error stops a run; a warning spoils it, or will soon."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Verdict:
    """Of one check.

    Attributes:
        check: what was looked at, in a word or two.
        status: whether it will do.
        says: what was found. Never a secret.
        cure: what to do about it; empty where nothing is wrong, or where ``says`` has it.
        facts: the figures in ``says``, for scripts; JSON takes them.
    """

    check: str
    status: Status
    says: str
    cure: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


def judged(check: str, work: Callable[[], Verdict]) -> Verdict:
    """What ``work`` finds; an error of veilsum's or of a file is a verdict too."""
    try:
        return work()
    except (VeilsumError, OSError, TypeError) as error:
        return Verdict(check, Status.ERROR, str(error), facts={"error": type(error).__name__})
