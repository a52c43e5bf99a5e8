"""A federation of which all parties are in this process: keys, identities, rosters, holders."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from veilsum.fedavg.settings import Settings
from veilsum.paillier.secret_key import SecretKey
from veilsum.privacy import Ledger
from veilsum.schemes import DealtKey, dealt_key
from veilsum.secure_sum import (
    Contributor,
    Federation,
    Identity,
    KeptSums,
    KeyHolder,
    RoundLedger,
)
from veilsum.secure_sum.agreement import KeyTrust, usual_holders
from veilsum.vector import Codec

__all__ = ["LocalFederation", "make_federation"]


@dataclass(frozen=True)
class LocalFederation:
    """A federation and everybody in it.

    Attributes:
        federation: the agreement and its key.
        aggregator: who announces its rounds.
        contributors: by name.
        holders: who opens sums, by name.
    """

    federation: Federation
    aggregator: Identity
    contributors: dict[str, Contributor]
    holders: dict[str, KeyHolder]


def make_federation(
    names: Sequence[str],
    trust: KeyTrust,
    settings: Settings,
    *,
    codec: Codec,
    min_contributors: int,
    key: SecretKey | DealtKey | None,
    ledgers: Mapping[str, Ledger],
) -> LocalFederation:
    """Make keys as ``trust`` wants them, put everybody on the rosters, and make the federation.

    Raises:
        InvalidArgumentError: a key that does not fit ``trust``, or what ``Federation`` refuses.
        InvalidKeyError: a secret key without safe primes is to be shared.
    """
    has_holders, policy = usual_holders(trust)
    federation_key, keys = dealt_key(key, policy=policy, key_bits=settings.key_bits)
    contributors = {name: Identity.generate(name) for name in names}
    aggregator = Identity.generate("aggregator")
    holders = [Identity.generate(f"holder {i + 1}") for i in range(len(keys) * has_holders)]
    noise = settings.noise
    federation = Federation(
        key=federation_key,
        codec=codec,
        aggregator=aggregator.enrol(),
        run_id=secrets.token_bytes(16),
        last_day=date.max,  # It ends with this process.
        contributors=tuple(identity.enrol() for identity in contributors.values()),
        holders=tuple(holder.enrol() for holder in holders),
        noise=noise,
        colluding_contributors=0,
        honest_contributors=max(2, noise.honest_contributors if noise is not None else 0),
        min_contributors=min_contributors,
        scheme=settings.scheme,
        same_model="allow",  # A run that has converged goes on with the model that it had.
    )
    # Where every contributor has the key, any of them may be the one that a round names.
    openers = holders or list(contributors.values())
    held = keys if has_holders else [*keys] * len(openers)
    return LocalFederation(
        federation,
        aggregator,
        {
            name: Contributor(
                federation,
                identity,
                rounds=RoundLedger.in_memory(),
                ledger=ledgers.get(name),
            )
            for name, identity in contributors.items()
        },
        {
            opener.name: KeyHolder(
                federation, opener, key=secret, rounds=RoundLedger.in_memory(), sums=KeptSums()
            )
            for opener, secret in zip(openers, held, strict=True)
        },
    )
