"""What is found in a file, and what it is held against."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from veilsum.secure_sum import Federation, Transcript

__all__ = ["Agreed", "Contents"]


@dataclass(frozen=True)
class Agreed:
    """What the operator gave: a federation, and the hash that pins it."""

    federation: Federation | None = None
    pin: bytes | None = None


@dataclass
class Contents:
    """Filled while a file is read, so that what came before an error is shown too.

    Attributes:
        facts: what it says. Never a secret.
        checked: what was found to be true.
        unchecked: what could be checked if more were given.
        transcript: of a round, if the file is one.
    """

    facts: dict[str, Any] = field(default_factory=dict)
    checked: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    transcript: Transcript | None = None
