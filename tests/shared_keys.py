"""Shared keys of real size from stored vectors, made once per test run; for tests only."""

import functools
import json
from dataclasses import dataclass

import veilsum as vs
from known_keys import VECTORS
from reference import paillier as reference
from veilsum import _core, hazmat


@dataclass(frozen=True)
class SharedKey:
    """The key of threshold.json: what the dealer knew, and what it handed out."""

    p: int
    q: int
    secret: vs.SecretKey
    key: vs.threshold.ThresholdKey
    shares: list

    @property
    def n(self):
        return self.p * self.q

    @property
    def public(self):
        return self.key.public_key


@functools.cache
def threshold_vector():
    """Every number of threshold.json: ints, and lists of them."""

    def parse(value):
        return [parse(x) for x in value] if isinstance(value, list) else int(value, 16)

    fields = json.loads((VECTORS / "threshold.json").read_text())
    return {name: parse(value) for name, value in fields.items()}


def load_share(key, holder, value):
    """A KeyShare from its number t_i."""
    size = reference.num_bytes(key.public_key.key_bits)
    secret = bytes([holder]) + value.to_bytes(size, "little")
    return vs.threshold.KeyShare(_core.KeyShare.from_secret_bytes(secret, key._native))


def share_value(share):
    """t_i of a KeyShare."""
    return int.from_bytes(share._native.to_secret_bytes()[1:], "little")


@functools.cache
def shared_key():
    """4 of 5 holders, 2 of whom may collude; 2048 bits."""
    vector = threshold_vector()
    secret = hazmat.secret_key(vector["p"], vector["q"])
    key = vs.threshold.ThresholdKey.from_bytes((VECTORS / "wire/threshold_key.bin").read_bytes())
    shares = [load_share(key, i + 1, value) for i, value in enumerate(vector["shares"])]
    return SharedKey(vector["p"], vector["q"], secret, key, shares)


def verification_elements(key):
    """v, v_1, ... of a ThresholdKey as integers."""
    size = reference.num_bytes(key.public_key.key_bits)
    tail = key.to_bytes()[-size * (key.num_holders + 1) :]
    return [int.from_bytes(tail[i : i + size], "little") for i in range(0, len(tail), size)]
