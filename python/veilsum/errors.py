"""The errors veilsum raises.

Every error derives from ``VeilsumError`` and from the builtin a Python user would guess, so
``except ValueError`` works too. Wrong types raise the builtin ``TypeError``.
"""

__all__ = [
    "CapacityError",
    "EntropyError",
    "InternalError",
    "InvalidArgumentError",
    "InvalidCiphertextError",
    "InvalidKeyError",
    "KeyMismatchError",
    "MalformedDataError",
    "PassphraseError",
    "PoolExhaustedError",
    "VeilsumError",
]


class VeilsumError(Exception):
    """Base class of all errors of veilsum."""


class InvalidArgumentError(VeilsumError, ValueError):
    """A value or shape lies outside the documented range."""


class MalformedDataError(VeilsumError, ValueError):
    """Bytes are not in veilsum's wire format (docs/wire-format.md)."""


class InvalidKeyError(VeilsumError, ValueError):
    """A key breaks a rule of docs/validation.md."""


class InvalidCiphertextError(VeilsumError, ValueError):
    """A ciphertext breaks a rule of docs/validation.md."""


class KeyMismatchError(VeilsumError, ValueError):
    """Operands belong to different keys."""


class CapacityError(VeilsumError, OverflowError):
    """A sum would have more addends than the lanes were sized for."""


class PoolExhaustedError(VeilsumError, RuntimeError):
    """A randomiser pool has no unused randomiser left; none is ever used twice."""


class EntropyError(VeilsumError, OSError):
    """The operating system gave no randomness."""


class InternalError(VeilsumError, RuntimeError):
    """A self-check failed: a bug or a hardware fault. Results were discarded."""


class PassphraseError(VeilsumError, ValueError):
    """The passphrase does not open the key file, or the file was changed."""
