"""The errors veilsum raises.

Every error derives from ``VeilsumError`` and from the builtin a Python user would guess, so
``except ValueError`` works too. Wrong types raise the builtin ``TypeError``.
"""

from typing import Any

__all__ = [
    "BudgetExhaustedError",
    "CapacityError",
    "ConcurrentUseError",
    "EntropyError",
    "InternalError",
    "InvalidArgumentError",
    "InvalidCiphertextError",
    "InvalidKeyError",
    "KeyMismatchError",
    "LedgerError",
    "MalformedDataError",
    "MissingExtraError",
    "NoMeanError",
    "NotEnoughSharesError",
    "PassphraseError",
    "PolicyRefusedError",
    "PoolExhaustedError",
    "ProofError",
    "ProtocolError",
    "RunEndedError",
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
    """Fewer key holders answered than the threshold asks for; nothing can be opened."""


class CapacityError(VeilsumError, OverflowError):
    """A sum would have more addends, or larger values, than there is room for; so would floats."""


class NoMeanError(VeilsumError, ArithmeticError):
    """An opened sum has no mean: noise, or a contributor, left none that a true mean can be."""


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


class ConcurrentUseError(VeilsumError, RuntimeError):
    """An object that serves one thread at a time was called from a second one. Nothing changed."""


class RunEndedError(VeilsumError, RuntimeError):
    """A training run cannot go on: too few clients are left that may contribute.

    Attributes:
        history: the rounds of the run, if it keeps any; ``veilsum.FedAvg`` has a ``History``.
    """

    def __init__(self, message: str, history: Any = None) -> None:
        super().__init__(message)
        self.history = history


class MissingExtraError(VeilsumError, ImportError):
    """An optional dependency is not installed; the message names the extra that brings it."""
