"""How slots travel: a scheme takes int64 slots and gives their sum, and nobody asks which it is.

``scheme`` says what each must do, ``keys`` asks the two kinds of keys alike. ``packed`` is Paillier
all the way; in ``masked`` only the short secret of a lattice mask is under Paillier. To add one,
write a module with functions like ``packed.make`` and ``packed.settle``, and give it a name and a
code in ``known`` (CONTRIBUTING.md, "Where is it?").
"""

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
from veilsum.schemes.known import SCHEMES, Known, choose
from veilsum.schemes.scheme import (
    Body,
    Chunks,
    HeldKey,
    Opener,
    Piece,
    Proofs,
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
    "Proofs",
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
