"""The terms of an agreement and their figures, for people."""

from __future__ import annotations

import math
from typing import Any

from veilsum.cli.facts import Facts
from veilsum.codec import SlotCodec
from veilsum.errors import InvalidArgumentError
from veilsum.identity import Enrolment
from veilsum.privacy import AgreedNoise, LaplaceNoise, Noise, forecast
from veilsum.schemes import Policy
from veilsum.schemes.mask_shape import MaskShape
from veilsum.secure_sum.agreement import Agreement
from veilsum.sizes import contribution_size

__all__ = ["check_key_bits", "choose_policy", "mask_facts", "roster_facts", "terms_facts"]

_MAX_HOLDERS = 64
_KEY_BITS = (2048, 16384)


def choose_policy(num_holders: int, threshold: int | None, max_colluding: int | None) -> Policy:
    """What is not given: a minority may collude, and no more holders than needed open.

    Raises:
        InvalidArgumentError: two different sums of a round could both be opened (SH2, SH3).
    """
    if not 2 <= num_holders <= _MAX_HOLDERS:
        raise InvalidArgumentError(
            f"a key is shared among 2 to {_MAX_HOLDERS} holders, not {num_holders}"
        )
    least = Policy.least(num_holders, max_colluding)
    colluding, fewest = least.max_colluding, least.threshold
    if not 0 <= colluding < num_holders:
        raise InvalidArgumentError(
            f"--max-colluding is {colluding}; of {num_holders} holders 0 to {num_holders - 1} "
            "may collude"
        )
    wanted = fewest if threshold is None else threshold
    if not fewest <= wanted <= num_holders:
        raise InvalidArgumentError(
            f"--threshold is {wanted}; with {num_holders} holders, {colluding} of whom may "
            f"collude, it must be {fewest} to {num_holders}, or two different sums of a round "
            "could both be opened"
        )
    return Policy(num_holders, wanted, colluding)


def check_key_bits(key_bits: int) -> int:
    """The size, if a key of it can be made."""
    if not _KEY_BITS[0] <= key_bits <= _KEY_BITS[1] or key_bits % 2:
        raise InvalidArgumentError(
            f"--bits is {key_bits}; it must be an even number from {_KEY_BITS[0]} to "
            f"{_KEY_BITS[1]}, and 3072 is usual"
        )
    return key_bits


def terms_facts(terms: Agreement) -> dict[str, Any]:
    """What was agreed, and what a round costs."""
    codec, policy = terms.codec, terms.policy
    facts: dict[str, Any] = {"trust": terms.trust, "who_opens": terms.who_opens}
    if policy is not None:
        facts["threshold"] = policy.threshold
        facts["num_holders"] = policy.num_holders
        facts["max_colluding_holders"] = policy.max_colluding
    facts |= {
        "serial": terms.serial,
        "run_id": terms.run_id.hex(),
        "last_day": terms.last_day.isoformat(),
        "key_bits": terms.key_bits,
        "dim": codec.dim,
        "clip": codec.clip,
        "value_bits": codec.value_bits,
        "weight_bits": codec.weight_bits,
        "rounding": codec.rounding,
        "max_addends": codec.max_addends,
        "chunk_size": terms.chunk_size,
        "noise": _noise_facts(terms.noise),
        "honest_contributors": terms.honest_contributors,
        "colluding_contributors": terms.colluding_contributors,
        "min_contributors": terms.min_contributors,
        "same_model": terms.same_model,
        "max_repeats": terms.max_repeats,
    }
    is_shared = policy is not None
    size = contribution_size(codec, terms.key_bits, scheme=terms.scheme, is_shared=is_shared)
    facts["scheme"] = size.scheme
    if size.strength is not None:
        facts |= mask_facts(MaskShape(*terms.scheme_parameters), codec)
    facts["ciphertexts_of_a_contribution"] = size.num_ciphertexts
    facts["bytes_a_contributor_sends"] = size.num_bytes
    if isinstance(terms.noise, Noise) and terms.noise.weighted:
        # Of a sum of all: with fewer contributors it is more.
        number = min(len(terms.contributors), codec.max_addends)
        found = forecast(terms.noise, codec, num_contributors=number, key_bits=terms.key_bits)
        facts["noise_of_the_total_weight"] = f"{found.noise_of_weight:.1%}"
        facts["rounds_without_a_mean"] = f"{found.no_mean_probability:.1%}"
    if policy is not None:
        # Of each contribution, as holders share the work.
        facts["bytes_a_holder_receives"] = math.ceil(
            size.num_opened_bytes * len(terms.contributors) * policy.threshold / policy.num_holders
        )
    return facts


def mask_facts(shape: MaskShape, codec: SlotCodec) -> dict[str, Any]:
    """In which ring masks lie, and how strong they are."""
    core_svp, matzov = shape.strength(codec)
    return {
        "mask_ring": 1 << shape.log_dim,
        "mask_modulus_bits": shape.num_primes * shape.prime_bits,
        "mask_values_a_coefficient": shape.num_digits,
        "mask_bits_core_svp": math.floor(core_svp),
        "mask_bits_matzov": math.floor(matzov),
    }


def roster_facts(terms: Agreement) -> Facts:
    """Who takes part."""

    def rows(roster: tuple[Enrolment, ...]) -> list[dict[str, str]]:
        return [{"name": party.name, "fingerprint": party.fingerprint} for party in roster]

    aggregator = rows((terms.aggregator,))
    holders = "authority" if terms.holders and terms.policy is None else "holders"
    return {
        "aggregator": aggregator,
        "contributors": rows(terms.contributors),
        holders: rows(terms.holders),
        "relays": rows(terms.relays),
    }


def _noise_facts(noise: AgreedNoise | None) -> dict[str, Any] | None:
    if noise is None:
        return None
    return {
        "kind": "laplace" if isinstance(noise, LaplaceNoise) else "gaussian",
        "protects": f"each {noise.unit}",
        "epsilon": noise.epsilon,
        "delta": noise.delta,
        "rounds": noise.rounds,
        "norm_bound": noise.norm_bound,
        "honest_contributors": noise.honest_contributors,
        "adjacency": noise.adjacency,
        "weights": "hidden" if noise.weighted else "all 1",
    }
