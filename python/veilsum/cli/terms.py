"""The terms of an agreement before there is a key, and their figures."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from veilsum.cli.facts import Facts
from veilsum.errors import InvalidArgumentError
from veilsum.identity import Enrolment
from veilsum.paillier.public_key import PublicKey
from veilsum.privacy import GaussianNoise, Noise, forecast
from veilsum.secure_sum import Federation, ThresholdKey
from veilsum.secure_sum.federation import KeyTrust
from veilsum.sizes import contribution_size
from veilsum.vector import Codec

__all__ = ["Policy", "Terms", "roster_facts", "terms_facts"]

_MAX_HOLDERS = 64
_KEY_BITS = (2048, 16384)
# On no roster: the names that are dealt to have no control characters.
_SOMEBODY = Enrolment("\0", bytes(32))


@dataclass(frozen=True)
class Policy:
    """How a key is shared: ``threshold`` holders open, ``max_colluding`` may break promises."""

    num_holders: int
    threshold: int
    max_colluding: int

    @staticmethod
    def choose(num_holders: int, threshold: int | None, max_colluding: int | None) -> Policy:
        """What is not given: a minority may collude, and no more holders than needed open.

        Raises:
            InvalidArgumentError: two different sums of a round could both be opened (SH2, SH3).
        """
        if not 2 <= num_holders <= _MAX_HOLDERS:
            raise InvalidArgumentError(
                f"a key is shared among 2 to {_MAX_HOLDERS} holders, not {num_holders}"
            )
        colluding = (num_holders - 1) // 2 if max_colluding is None else max_colluding
        if not 0 <= colluding < num_holders:
            raise InvalidArgumentError(
                f"--max-colluding is {colluding}; of {num_holders} holders 0 to {num_holders - 1} "
                "may collude"
            )
        fewest = (num_holders + colluding) // 2 + 1
        wanted = fewest if threshold is None else threshold
        if not fewest <= wanted <= num_holders:
            raise InvalidArgumentError(
                f"--threshold is {wanted}; with {num_holders} holders, {colluding} of whom may "
                f"collude, it must be {fewest} to {num_holders}, or two different sums of a round "
                "could both be opened"
            )
        return Policy(num_holders, wanted, colluding)


@dataclass(frozen=True)
class Terms:
    """All of a federation but its key."""

    trust: KeyTrust
    contributors: tuple[Enrolment, ...]
    holders: tuple[Enrolment, ...]
    policy: Policy | None
    key_bits: int
    codec: Codec
    noise: Noise | None
    honest: int
    colluding: int
    min_contributors: int | None
    chunk_size: int

    @staticmethod
    def of(federation: Federation) -> Terms:
        """Those of a federation."""
        key = federation.key
        policy = None
        if isinstance(key, ThresholdKey):
            policy = Policy(key.num_holders, key.threshold, key.max_colluding_holders)
        return Terms(
            trust=federation.trust,
            contributors=federation.contributors,
            holders=federation.holders,
            policy=policy,
            key_bits=federation.public_key.key_bits,
            codec=federation.codec,
            noise=federation.noise,
            honest=federation.honest_contributors,
            colluding=federation.colluding_contributors,
            min_contributors=federation.min_contributors,
            chunk_size=federation.chunk_size,
        )

    def federation(self, key: PublicKey | ThresholdKey) -> Federation:
        """The agreement, with its key."""
        return Federation(
            key=key,
            codec=self.codec,
            contributors=self.contributors,
            holders=self.holders,
            noise=self.noise,
            honest_contributors=self.honest,
            colluding_contributors=self.colluding,
            min_contributors=self.min_contributors,
            chunk_size=self.chunk_size,
        )

    def check(self) -> Terms:
        """Everything that can be wrong before a key is made; with what was left open filled in.

        Raises:
            InvalidArgumentError: the terms contradict each other.
        """
        if not _KEY_BITS[0] <= self.key_bits <= _KEY_BITS[1] or self.key_bits % 2:
            raise InvalidArgumentError(
                f"--bits is {self.key_bits}; it must be an even number from {_KEY_BITS[0]} to "
                f"{_KEY_BITS[1]}, and 3072 is usual"
            )
        for roster in (self.contributors, self.holders):
            names = [party.name for party in roster]
            doubled = {name for name in names if names.count(name) > 1}
            if doubled:
                raise InvalidArgumentError(
                    f"some are enrolled twice on one roster: {', '.join(sorted(doubled))}"
                )
        keys = [party.public_key for party in self.holders]
        if len(set(keys)) < len(keys):
            raise InvalidArgumentError("two holders have the same signing key")
        # Stand in for the key to come, which takes a while, and for the holders of its shares, who
        # were looked at above.
        stand_in = PublicKey.from_modulus(2 ** (self.key_bits - 1) + 1)
        holders = self.holders if self.policy is None else (_SOMEBODY,)
        found = replace(self, holders=holders).federation(stand_in)
        return replace(self, min_contributors=found.min_contributors)


def terms_facts(terms: Terms) -> dict[str, Any]:
    """What was agreed, and what a round costs."""
    codec, policy = terms.codec, terms.policy
    facts: dict[str, Any] = {"trust": terms.trust, "who_opens": _who_opens(terms)}
    if policy is not None:
        facts["threshold"] = policy.threshold
        facts["num_holders"] = policy.num_holders
        facts["max_colluding_holders"] = policy.max_colluding
    facts |= {
        "key_bits": terms.key_bits,
        "dim": codec.dim,
        "clip": codec.clip,
        "value_bits": codec.value_bits,
        "weight_bits": codec.weight_bits,
        "rounding": codec.rounding,
        "max_addends": codec.max_addends,
        "chunk_size": terms.chunk_size,
        "noise": _noise_facts(terms.noise),
        "honest_contributors": terms.honest,
        "colluding_contributors": terms.colluding,
        "min_contributors": terms.min_contributors,
    }
    size = contribution_size(codec, terms.key_bits)
    facts["ciphertexts_of_a_contribution"] = size.num_ciphertexts
    facts["bytes_a_contributor_sends"] = size.num_bytes
    if terms.noise is not None and terms.noise.weighted:
        # Of a sum of all: with fewer contributors it is more.
        number = min(len(terms.contributors), codec.max_addends)
        found = forecast(terms.noise, codec, num_contributors=number, key_bits=terms.key_bits)
        facts["noise_of_the_total_weight"] = f"{found.noise_of_weight:.1%}"
        facts["rounds_without_a_mean"] = f"{found.no_mean_probability:.1%}"
    if policy is not None:
        # Of each contribution, as holders share the work.
        facts["bytes_a_holder_receives"] = math.ceil(
            size.num_bytes * len(terms.contributors) * policy.threshold / policy.num_holders
        )
    return facts


def roster_facts(terms: Terms) -> Facts:
    """Who takes part."""

    def rows(roster: tuple[Enrolment, ...]) -> list[dict[str, str]]:
        return [{"name": party.name, "fingerprint": party.fingerprint} for party in roster]

    holders = "holders" if terms.trust != "authority" else "authority"
    return {"contributors": rows(terms.contributors), holders: rows(terms.holders)}


def _who_opens(terms: Terms) -> str:
    if terms.policy is not None:
        return f"any {terms.policy.threshold} of {terms.policy.num_holders} holders, sums only"
    if terms.trust == "authority":
        return "one holder, who could open single contributions too"
    return "every contributor, and each could open single contributions too"


def _noise_facts(noise: Noise | None) -> dict[str, Any] | None:
    if noise is None:
        return None
    return {
        "kind": "gaussian" if isinstance(noise, GaussianNoise) else "laplace",
        "epsilon": noise.epsilon,
        "delta": noise.delta,
        "rounds": noise.rounds,
        "norm_bound": noise.norm_bound,
        "honest_contributors": noise.honest_contributors,
        "adjacency": noise.adjacency,
        "weights": "hidden" if noise.weighted else "all 1",
    }
