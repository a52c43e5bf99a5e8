"""Which schemes there are, and which one a federation takes. Nothing here knows keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from veilsum.codec import SlotCodec
from veilsum.errors import InvalidArgumentError

if TYPE_CHECKING:
    from veilsum.schemes.scheme import Scheme

__all__ = ["SCHEMES", "ContributionSize", "Known", "choose"]


@dataclass(frozen=True)
class ContributionSize:
    """Of one contribution; what is sent has a header and some 700 bytes a chunk more, its proof.

    Attributes:
        scheme: by its name.
        num_ciphertexts: of it, which are opened of a sum.
        num_bytes: of all of it.
        num_opened_bytes: of these ciphertexts.
        strength: of a mask, in bits by core-SVP and by MATZOV's model; None without a mask.
    """

    scheme: str
    num_ciphertexts: int
    num_bytes: int
    num_opened_bytes: int
    strength: tuple[float, float] | None = None


class Known(NamedTuple):
    """A scheme that a federation may name."""

    code: int
    """On the wire, 0 to 15; never given to another one."""
    make: Callable[..., Scheme[Any, Any]]
    """Called with key and codec, ``chunk_size``, the names of the ``holders`` and ``parameters``.
    """
    settle: Callable[[SlotCodec, bytes], bytes]
    """Called with a codec and parameters, or none: gives them checked, or those of a rule."""
    size: Callable[[SlotCodec, int], ContributionSize]
    """Called with a codec and the bits of a key."""
    hides_single: bool
    """Whether what openers are given tells nothing of a single contribution, even to one who has
    the whole key."""


def _later(module: str, name: str) -> Callable[..., Any]:
    """A function of a module that is imported when it is called: codecs need none of them."""

    def call(*arguments: Any, **options: Any) -> Any:
        return getattr(import_module(f"veilsum.schemes.{module}"), name)(*arguments, **options)

    return call


SCHEMES = {
    name: Known(
        code, _later(name, "make"), _later(name, "settle"), _later(sizes, "size"), hides_single
    )
    for name, code, sizes, hides_single in (
        ("packed", 0, "packing", False),
        ("masked", 1, "mask_shape", True),
    )
}


def choose(scheme: str, codec: SlotCodec, *, key_bits: int, is_shared: bool) -> str:
    """The name of a scheme, where ``"auto"`` stands for the one that fits best.

    Under a shared key the one with fewer bytes; under a key that one party holds whole, masked.

    Raises:
        InvalidArgumentError: one party could read single contributions.
    """
    if scheme == "auto":
        is_shorter = _later("mask_shape", "is_shorter_masked")
        return "masked" if not is_shared or is_shorter(codec, key_bits) else "packed"
    if not is_shared and not SCHEMES[scheme].hides_single:
        raise InvalidArgumentError(
            f"scheme is {scheme!r}, with which whoever holds the whole key could read what every "
            "contributor sends; take 'masked' (or 'auto'), or share the key among holders"
        )
    return scheme
