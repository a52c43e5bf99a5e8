"""A federation whose parties all live in this process: keys, identities, rosters, holders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from veilsum.errors import InvalidArgumentError
from veilsum.paillier.public_key import PublicKey
from veilsum.paillier.secret_key import SecretKey, generate_key
from veilsum.paillier.threshold import KeyShare, ThresholdKey, deal_shares
from veilsum.privacy import Ledger, Noise
from veilsum.secure_sum import Contributor, Federation, Identity, KeyHolder, RoundLedger
from veilsum.secure_sum.federation import KeyTrust
from veilsum.vector import Codec

__all__ = ["DealtKey", "Founded", "found"]

DealtKey = tuple[ThresholdKey, Sequence[KeyShare]]

# The default of docs/protocol.md: one holder may be missing, and two may collude.
_NUM_HOLDERS, _THRESHOLD, _MAX_COLLUDING = 5, 4, 2


@dataclass(frozen=True)
class Founded:
    """A federation and everybody in it."""

    federation: Federation
    contributors: dict[str, Contributor]
    holders: dict[str, KeyHolder]


def found(
    names: Sequence[str],
    *,
    trust: KeyTrust,
    key: SecretKey | DealtKey | None,
    key_bits: int,
    codec: Codec,
    noise: Noise | None,
    min_contributors: int,
    ledgers: Mapping[str, Ledger],
) -> Founded:
    """Make keys as ``trust`` wants them, put everybody on the rosters, and found the federation.

    Raises:
        InvalidArgumentError: a key that does not fit ``trust``, or what ``Federation`` refuses.
        InvalidKeyError: a secret key without safe primes is to be shared.
    """
    contributors = {name: Identity.generate(name) for name in names}
    federation_key, shares = _keys(trust, key, key_bits)
    if trust == "contributors":
        holders = list(contributors.values())[:1]  # Anybody; nobody need ask all of them.
    else:
        holders = [Identity.generate(f"holder {i + 1}") for i in range(len(shares))]
    honest = max(2, noise.honest_contributors if noise is not None else 0)
    federation = Federation(
        key=federation_key,
        codec=codec,
        contributors=tuple(identity.enrol() for identity in contributors.values()),
        holders=() if trust == "contributors" else tuple(holder.enrol() for holder in holders),
        noise=noise,
        honest_contributors=honest,
        min_contributors=min_contributors,
    )
    secret = shares[0] if trust == "contributors" else None
    return Founded(
        federation,
        {
            name: Contributor(
                federation,
                identity,
                rounds=RoundLedger.in_memory(),
                ledger=ledgers.get(name),
                secret_key=secret if isinstance(secret, SecretKey) else None,
            )
            for name, identity in contributors.items()
        },
        {
            holder.name: KeyHolder(federation, holder, key=share, rounds=RoundLedger.in_memory())
            for holder, share in zip(holders, shares, strict=True)
        },
    )


def _keys(
    trust: KeyTrust, key: SecretKey | DealtKey | None, key_bits: int
) -> tuple[PublicKey | ThresholdKey, Sequence[KeyShare | SecretKey]]:
    if trust == "threshold":
        if key is None:
            key = generate_key(key_bits, safe_primes=True)
        if isinstance(key, SecretKey):
            return deal_shares(
                key,
                num_holders=_NUM_HOLDERS,
                threshold=_THRESHOLD,
                max_colluding_holders=_MAX_COLLUDING,
            )
        return key
    if key is None:
        key = generate_key(key_bits)
    if not isinstance(key, SecretKey):
        raise InvalidArgumentError(f"with trust={trust!r} one secret key opens sums: pass that")
    return key.public_key, [key]
