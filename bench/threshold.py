"""What share holders' work and proofs of plaintexts cost, on one core, beside gmpy2.powmod.

Run: .venv/bin/python bench/threshold.py [--key-bits 3072] [--count 512] [--json FILE]

Processor seconds of single-threaded calls; the least of some rounds in which all steps take turns,
because other programs can only slow a step down. Keys are made anew: a few seconds each.
"""

from __future__ import annotations

import argparse
import json
import secrets
import time
from collections.abc import Callable
from math import factorial
from pathlib import Path

import gmpy2
import veilsum as vs
from peers import machine
from rich.console import Console
from rich.table import Table

NUM_HOLDERS, THRESHOLD, MAX_COLLUDING = 5, 4, 2
NUM_GMP = 4  # powers a round; one takes up to a tenth of a second
CONTEXT = b"bench"


def main() -> None:
    """Measure, print, and write JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--key-bits", type=int, nargs="+", default=[2048, 3072])
    parser.add_argument("--count", type=int, default=512, help="ciphertexts of a batch")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    results = machine.describe(dict(vs.cpu()))
    results["count"] = options.count
    results["microseconds_a_ciphertext"] = {
        bits: measure(bits, options.count, options.rounds) for bits in options.key_bits
    }
    show(results)
    if options.json is not None:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def measure(key_bits: int, count: int, num_rounds: int) -> dict[str, float]:
    """Microseconds a ciphertext of each step."""
    secret = vs.generate_key(key_bits, safe_primes=True)
    key, shares = vs.threshold.deal_shares(
        secret,
        num_holders=NUM_HOLDERS,
        threshold=THRESHOLD,
        max_colluding_holders=MAX_COLLUDING,
    )
    c = secret.encrypt([secrets.randbelow(1 << 64) for _ in range(count)])
    partials = [share.decrypt(c, context=CONTEXT) for share in shares[:THRESHOLD]]
    n_squared = secret.public_key.n**2
    exponent_bits = 2 * key_bits - 2 + (2 * factorial(NUM_HOLDERS)).bit_length()
    exponent = secrets.randbits(exponent_bits)
    bases = c[:NUM_GMP].to_ints()

    def gmp() -> None:
        for base in bases:
            gmpy2.powmod(base, exponent, n_squared)

    def check() -> vs.threshold.Combination:
        combination = vs.threshold.Combination(key, c, context=CONTEXT)
        combination.add(partials[0], num_threads=1)
        return combination

    full = check()
    for partial in partials[1:]:
        full.add(partial)
    public = secret.public_key
    values = [secrets.randbelow(1 << 64) for _ in range(count)]
    proved, proof = public.encrypt_and_prove(values, context=CONTEXT)
    steps: dict[str, tuple[Callable[[], object], int]] = {
        "gmpy2.powmod": (gmp, NUM_GMP),
        "partial decryption and proof": (
            lambda: shares[0].decrypt(c, context=CONTEXT, num_threads=1),
            count,
        ),
        "check of one proof": (check, count),
        f"combination of {THRESHOLD}": (lambda: full.open_plaintexts(num_threads=1), count),
        "decryption by the secret key": (
            lambda: secret.decrypt_plaintexts(c, num_threads=1),
            count,
        ),
        "encryption": (lambda: public.encrypt(values, num_threads=1), count),
        "encryption and proof of plaintexts": (
            lambda: public.encrypt_and_prove(values, context=CONTEXT, num_threads=1),
            count,
        ),
        "check of a proof of plaintexts": (
            lambda: proof.verify(proved, context=CONTEXT, num_threads=1),
            count,
        ),
    }
    least = dict.fromkeys(steps, float("inf"))
    for _ in range(num_rounds):
        for name, (step, size) in steps.items():
            start = time.process_time()
            step()
            least[name] = min(least[name], (time.process_time() - start) / size)
    return {name: 1e6 * seconds for name, seconds in least.items()}


def show(results: dict[str, object]) -> None:
    """One column for each size of key."""
    columns = results["microseconds_a_ciphertext"]
    assert isinstance(columns, dict)
    table = Table(title=f"Microseconds a ciphertext, {results['count']} in a batch")
    table.add_column("step")
    for bits in columns:
        table.add_column(f"{bits} bits", justify="right")
    for name in next(iter(columns.values())):
        table.add_row(name, *(f"{column[name]:,.1f}" for column in columns.values()))
    Console().print(table)


if __name__ == "__main__":
    main()
