"""The keys that a federation may have, asked alike: one that is held whole, and a shared one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from veilsum import arguments
from veilsum.errors import InvalidArgumentError
from veilsum.paillier.public_key import PublicKey
from veilsum.paillier.secret_key import SecretKey, generate_key
from veilsum.paillier.threshold import KeyShare, ThresholdKey, deal_shares
from veilsum.wire import WireKind, wire_kind

__all__ = [
    "AnyKey",
    "AnySecret",
    "DealtKey",
    "Policy",
    "check_key",
    "check_key_or_dealt",
    "check_secret",
    "deal",
    "dealt_key",
    "policy_of",
    "public_key_of",
    "read_key",
]

AnyKey = PublicKey | ThresholdKey
AnySecret = SecretKey | KeyShare
DealtKey = tuple[ThresholdKey, Sequence[KeyShare]]


@dataclass(frozen=True)
class Policy:
    """How a key is shared.

    Attributes:
        num_holders: how many have a share.
        threshold: how many of them open a sum.
        max_colluding: how many may break their promises.
    """

    num_holders: int
    threshold: int
    max_colluding: int

    @classmethod
    def least(cls, num_holders: int, max_colluding: int | None = None) -> Policy:
        """As few open as is safe: two sets of them have an honest holder in common (SH2, SH3).

        Where it is not given, a minority may collude.
        """
        colluding = (num_holders - 1) // 2 if max_colluding is None else max_colluding
        return cls(num_holders, (num_holders + colluding) // 2 + 1, colluding)


def check_key(parameter: str, key: AnyKey) -> AnyKey:
    """TypeError unless it is a key of either kind."""
    kinds: tuple[type[AnyKey], ...] = (PublicKey, ThresholdKey)
    return arguments.instance(parameter, key, kinds)


def check_secret(parameter: str, secret: AnySecret | None) -> AnySecret | None:
    """TypeError unless it is a secret key, a share of one, or None."""
    kinds: tuple[type[AnySecret | None], ...] = (KeyShare, SecretKey, type(None))
    return arguments.instance(parameter, secret, kinds)


def check_key_or_dealt(parameter: str, key: object) -> None:
    """TypeError unless it is a secret key, what ``deal_shares`` returned, or None."""
    if key is None or isinstance(key, SecretKey):
        return
    pair = key if isinstance(key, (list, tuple)) and len(key) == 2 else (None, None)
    if not isinstance(pair[1], (list, tuple)):
        raise TypeError(
            f"{parameter} must be a SecretKey, or what deal_shares returned, not "
            f"{type(key).__name__}"
        )
    arguments.instance(f"the first part of {parameter}", pair[0], ThresholdKey)
    for share in pair[1]:
        arguments.instance(f"a share in {parameter}", share, KeyShare)


def policy_of(key: AnyKey) -> Policy | None:
    """How the key is shared; None for one that is held whole."""
    if isinstance(key, PublicKey):
        return None
    return Policy(key.num_holders, key.threshold, key.max_colluding_holders)


def public_key_of(key: AnyKey) -> PublicKey:
    """What everyone encrypts under."""
    return key if isinstance(key, PublicKey) else key.public_key


def read_key(message: bytes) -> AnyKey:
    """A key of either kind from its framed message.

    Raises:
        MalformedDataError: the bytes are not those of a key.
        InvalidKeyError: it breaks a rule of docs/validation.md.
    """
    if wire_kind(message) is WireKind.THRESHOLD_KEY:
        return ThresholdKey.from_bytes(message)
    return PublicKey.from_bytes(message)


def deal(secret_key: SecretKey, policy: Policy | None) -> tuple[AnyKey, Sequence[AnySecret]]:
    """The key for a federation, and what its holders get, in their order.

    Raises:
        InvalidArgumentError, InvalidKeyError: as ``deal_shares``.
    """
    if policy is None:
        return secret_key.public_key, [secret_key]
    return deal_shares(
        secret_key,
        num_holders=policy.num_holders,
        threshold=policy.threshold,
        max_colluding_holders=policy.max_colluding,
    )


def dealt_key(
    given: SecretKey | DealtKey | None, *, policy: Policy | None, key_bits: int
) -> tuple[AnyKey, Sequence[AnySecret]]:
    """What ``deal`` gives of a key, of a new one if none is given; or what was dealt already.

    Raises:
        InvalidArgumentError: a shared key is given where one party is to hold it whole.
        InvalidKeyError: a key without safe primes is to be shared.
    """
    if given is None:
        given = generate_key(key_bits, safe_primes=policy is not None)
    if isinstance(given, SecretKey):
        return deal(given, policy)
    if policy is None:
        raise InvalidArgumentError("with this trust one secret key opens sums: pass that as key")
    return given
