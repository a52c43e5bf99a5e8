"""The names and the behaviour of python-paillier 1.5 (docs/phe.md).

``from veilsum.compat.phe import paillier`` in place of ``from phe import paillier`` is all that a
program changes. What is computed, and how randomness is drawn, is veilsum's. No code is phe's.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from veilsum.compat.phe import encoding, paillier, util
from veilsum.compat.phe.encoding import EncodedNumber
from veilsum.compat.phe.paillier import (
    EncryptedNumber,
    PaillierPrivateKey,
    PaillierPrivateKeyring,
    PaillierPublicKey,
    generate_paillier_keypair,
)

if TYPE_CHECKING:
    from veilsum.compat.phe import command_line

__all__ = [
    "EncodedNumber",
    "EncryptedNumber",
    "PaillierPrivateKey",
    "PaillierPrivateKeyring",
    "PaillierPublicKey",
    "command_line",
    "encoding",
    "generate_paillier_keypair",
    "paillier",
    "util",
]

#: The version of phe whose names these are.
__version__ = "1.5.0"

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name == "command_line":  # At first use: it needs click.
            return import_module("veilsum.compat.phe.command_line")
        raise AttributeError(f"module 'veilsum.compat.phe' has no attribute {name!r}")
