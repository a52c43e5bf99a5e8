"""The errors veilsum raises.

Every error derives from ``VeilsumError`` and from the builtin a Python user would guess, so
``except ValueError`` works too. Wrong types raise the builtin ``TypeError``.
"""

__all__ = [
    "BudgetExhaustedError",
    "CapacityError",
    "EntropyError",
    "InternalError",
    "InvalidArgumentError",
    "InvalidCiphertextError",
    "InvalidKeyError",
    "KeyMismatchError",
    "LedgerError",
    "MalformedDataError",
    "MissingExtraError",
    "NotEnoughSharesError",
    "PassphraseError",
    "PolicyRefusedError",
    "PoolExhaustedError",
    "ProofError",
    "ProtocolError",
    "SignatureError",
    "StoreInUseError",
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


class ProofError(VeilsumError, ValueError):
    """A proof does not hold: its sender did not compute what was asked, or it was changed."""


class NotEnoughSharesError(VeilsumError, RuntimeError):
    """Fewer share holders answered than the threshold asks for; nothing can be opened."""


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


class ProtocolError(VeilsumError, ValueError):
    """A well-formed message does not belong here: another round, a duplicate, an unknown sender."""


class SignatureError(VeilsumError, ValueError):
    """A message is not signed by whom it names. Nothing of it was believed."""


class PolicyRefusedError(VeilsumError, PermissionError):
    """A party was asked for something that its own agreement forbids. Nothing was sent."""


class BudgetExhaustedError(PolicyRefusedError):
    """One more contribution would cost more privacy than the contributor agreed to spend."""


class LedgerError(VeilsumError, OSError):
    """A record of what was answered or spent is missing, damaged or another's; nothing was sent."""


class StoreInUseError(VeilsumError, BlockingIOError):
    """Another process, or another object in this one, goes on with the round in this folder."""


class MissingExtraError(VeilsumError, ImportError):
    """An optional dependency is not installed; the message names the extra that brings it."""
