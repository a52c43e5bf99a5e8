"""How slots travel: a scheme takes int64 slots and gives their sum, and nobody asks which it is.

``scheme`` says what each must do, ``keys`` asks the two kinds of keys alike. ``packed`` is Paillier
all the way; in ``masked`` only the short secret of a lattice mask is under Paillier. To add one,
write a module with functions like ``packed.make`` and ``packed.settle``, and give it a name and a
code here (CONTRIBUTING.md, "Where is it?").
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

from veilsum.codec import SlotCodec
from veilsum.errors import InvalidArgumentError
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
    "choose",
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
    """Called with key and codec, ``chunk_size``, the names of the ``holders`` and ``parameters``.
    """
    settle: Callable[[SlotCodec, bytes], bytes]
    """Called with a codec and parameters, or none: gives them checked, or those of a rule."""
    hides_single: bool
    """Whether what openers are given tells nothing of a single contribution, even to one who has
    the whole key."""


def _later(module: str, name: str) -> Callable[..., Any]:
    """A function of a module that is imported when it is called: codecs need none of them."""

    def call(*arguments: Any, **options: Any) -> Any:
        return getattr(import_module(f"veilsum.schemes.{module}"), name)(*arguments, **options)

    return call


SCHEMES = {
    name: Known(code, _later(name, "make"), _later(name, "settle"), hides_single)
    for name, code, hides_single in (("packed", 0, False), ("masked", 1, True))
}


def choose(scheme: str, codec: SlotCodec, *, key_bits: int, is_shared: bool) -> str:
    """The name of a scheme, where ``"auto"`` stands for the one that fits best.

    Under a shared key the one with fewer bytes; under a key that one party holds whole, masked.

    Raises:
        InvalidArgumentError: one party could read single contributions.
    """
    if scheme == "auto":
        is_shorter = _later("masking", "is_shorter_masked")
        return "masked" if not is_shared or is_shorter(codec, key_bits) else "packed"
    if not is_shared and not SCHEMES[scheme].hides_single:
        raise InvalidArgumentError(
            f"scheme is {scheme!r}, with which whoever holds the whole key could read what every "
            "contributor sends; take 'masked' (or 'auto'), or share the key among holders"
        )
    return scheme
