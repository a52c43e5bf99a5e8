"""How slots travel: a scheme takes int64 slots and gives their sum, and nobody asks which it is.

``scheme`` says what each must do, ``keys`` asks the two kinds of keys alike, ``packed`` is Paillier
all the way. To add one, write a module with a function like ``packed.make``, and give it a name
and a code here (CONTRIBUTING.md, "Where is it?").
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from veilsum.schemes.keys import (
    AnyKey,
    AnySecret,
    DealtKey,
    Policy,
    check_key,
    check_key_or_dealt,
    check_secret,
    deal,
    dealt_key,
    policy_of,
    public_key_of,
    read_key,
)
from veilsum.schemes.scheme import (
    Body,
    Chunks,
    HeldKey,
    Opener,
    Piece,
    RunningSum,
    Scheme,
    Sealed,
)

__all__ = [
    "SCHEMES",
    "AnyKey",
    "AnySecret",
    "Body",
    "Chunks",
    "DealtKey",
    "HeldKey",
    "Known",
    "Opener",
    "Piece",
    "Policy",
    "RunningSum",
    "Scheme",
    "Sealed",
    "check_key",
    "check_key_or_dealt",
    "check_secret",
    "deal",
    "dealt_key",
    "policy_of",
    "public_key_of",
    "read_key",
]


class Known(NamedTuple):
    """A scheme that a federation may name."""

    code: int
    """On the wire, 0 to 15; never given to another one."""
    make: Callable[..., Scheme[Any, Any]]
    """Called with key and codec, ``chunk_size`` and the names of the ``holders``."""


def _make_packed(*arguments: Any, **options: Any) -> Scheme[Any, Any]:
    from veilsum.schemes import packed  # Not before it is asked for: codecs need none of it.

    return packed.make(*arguments, **options)


SCHEMES = {"packed": Known(0, _make_packed)}
