"""A federation of which all parties are in this process: keys, identities, rosters, holders."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from veilsum.fedavg.settings import Settings
from veilsum.paillier.secret_key import SecretKey
from veilsum.paillier.threshold import KeyShare
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


class LocalFederation:
    """A federation and everybody in it. A party is made when a round first asks for it.

    Args:
        federation: the agreement and its key.
        aggregator: who announces its rounds.
        contributors: who may contribute.
        held: the key, or the share of it, of each who may open.
        ledgers: of contributors, by name, where there is noise.
    """

    def __init__(
        self,
        federation: Federation,
        aggregator: Identity,
        *,
        contributors: Iterable[Identity],
        held: Iterable[tuple[Identity, KeyShare | SecretKey]],
        ledgers: Mapping[str, Ledger],
    ) -> None:
        self.federation = federation
        self.aggregator = aggregator
        self._identities = {identity.name: identity for identity in contributors}
        self._held = {opener.name: (opener, key) for opener, key in held}
        self._ledgers = ledgers
        self._contributors: dict[str, Contributor] = {}
        self._holders: dict[str, KeyHolder] = {}

    def contributor(self, name: str) -> Contributor:
        """The contributor of this name, with what it has answered."""
        if name not in self._contributors:
            self._contributors[name] = Contributor(
                self.federation,
                self._identities[name],
                rounds=RoundLedger.in_memory(),
                ledger=self._ledgers.get(name),
            )
        return self._contributors[name]

    def holder(self, name: str) -> KeyHolder:
        """Who opens sums under this name: where every contributor has the key, one of them."""
        if name not in self._holders:
            opener, key = self._held[name]
            self._holders[name] = KeyHolder(
                self.federation, opener, key=key, rounds=RoundLedger.in_memory(), sums=KeptSums()
            )
        return self._holders[name]


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
    contributors = [Identity.generate(name) for name in names]
    aggregator = Identity.generate("aggregator")
    holders = [Identity.generate(f"holder {i + 1}") for i in range(len(keys) * has_holders)]
    noise = settings.noise
    federation = Federation(
        key=federation_key,
        codec=codec,
        aggregator=aggregator.enrol(),
        run_id=secrets.token_bytes(16),
        last_day=date.max,  # It ends with this process.
        contributors=tuple(identity.enrol() for identity in contributors),
        holders=tuple(holder.enrol() for holder in holders),
        noise=noise,
        colluding_contributors=0,
        honest_contributors=max(2, noise.honest_contributors if noise is not None else 0),
        min_contributors=min_contributors,
        scheme=settings.scheme,
        same_model="allow",  # A run that has converged goes on with the model that it had.
    )
    # Where every contributor has the key, any of them may be the one that a round names.
    openers = holders or contributors
    held = keys if has_holders else [*keys] * len(openers)
    return LocalFederation(
        federation,
        aggregator,
        contributors=contributors,
        held=zip(openers, held, strict=True),
        ledgers=ledgers,
    )
