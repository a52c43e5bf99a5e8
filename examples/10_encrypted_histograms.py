"""Gradient boosting on columns of two parties: histograms of gradients that stay encrypted.

The bank has the labels, hence each row's gradient g and hessian h; it packs both into one plaintext
and encrypts that. The shop has features: for each it adds up the ciphertexts of each bin, packs the
sums, and sends them back. The bank opens g and h of every bin and finds the best split, just the
one that it would find in the clear.

Who learns what, if both keep to it: the shop learns nothing but the number of rows, and at the end
the feature and the bin of the split. The bank learns g and h of every bin. It knows them of every
row as well, and from sums over few rows it may tell which rows these are: bins of many rows, and
features in an order that it does not know, make that harder, not impossible. Sums are rerandomised
before they leave, since the bank knows the randomness of every row's ciphertext too, and would see
what was added.

    python examples/10_encrypted_histograms.py [--rows N]
"""

import argparse
import time

import numpy as np
import veilsum as vs
from numpy.typing import NDArray

NUM_FEATURES, NUM_BINS, REGULARISER = 10, 32, 1.0
SLOT_BITS = 32  # A sum of g, and one of h, has so many bits with its sign.
SCALE = 2**13  # Of both; |g| is at most 1, and h at most 1/4.

Ints = NDArray[np.int64]


def pack_pairs(g: NDArray[np.float64], h: NDArray[np.float64]) -> Ints:
    """``g + h * 2**32`` of each row, as integers, if a sum over all rows has room for its parts."""
    if len(g) * SCALE >= 2 ** (SLOT_BITS - 1):
        raise ValueError(f"sums of {len(g)} rows do not fit {SLOT_BITS} bits: lower SCALE")
    low, high = (np.rint(SCALE * values).astype(np.int64) for values in (g, h))
    return low + (high << SLOT_BITS)


def unpack_pairs(sums: Ints) -> tuple[Ints, Ints]:
    """The sums of g and of h: the low half has a sign, which the high half has lent."""
    low = ((sums + 2 ** (SLOT_BITS - 1)) & (2**SLOT_BITS - 1)) - 2 ** (SLOT_BITS - 1)
    return low, (sums - low) >> SLOT_BITS


def best_split(g: NDArray[np.float64], h: NDArray[np.float64]) -> tuple[int, int]:
    """The feature, and the last bin that goes left, of the largest gain; (F, bins) each."""
    left_g, left_h = g.cumsum(axis=1), h.cumsum(axis=1)
    right_g, right_h = g.sum(axis=1, keepdims=True) - left_g, h.sum(axis=1, keepdims=True) - left_h
    gain = left_g**2 / (left_h + REGULARISER) + right_g**2 / (right_h + REGULARISER)
    feature, last = np.unravel_index(gain.argmax(), gain.shape)
    return int(feature), int(last)


def main(num_rows: int) -> None:
    rng = np.random.default_rng(10)
    bins = rng.integers(0, NUM_BINS, (num_rows, NUM_FEATURES))  # The shop's.
    chances = np.full(num_rows, 0.5)  # The bank's: of a model that knows nothing yet.
    labels = rng.random(num_rows) < np.where(bins[:, 3] < 12, 0.25, 0.75)
    g, h = chances - labels, chances * (1 - chances)

    bank = vs.generate_key(2048)
    start = time.perf_counter()
    message = bank.encrypt(pack_pairs(g, h)).to_bytes()
    encrypted = time.perf_counter()

    # The shop's part: 64 bits a sum, so that 31 sums travel in one ciphertext.
    rows = vs.Ciphertexts.from_bytes(message, bank.public_key)
    read = time.perf_counter()
    sums = rows.group_sum(bins, NUM_BINS)
    added = time.perf_counter()
    answer = sums.reshape(-1).pack(2 * SLOT_BITS).rerandomise().to_bytes()
    packed = time.perf_counter()

    opened = bank.decrypt(vs.Ciphertexts.from_bytes(answer, bank.public_key))
    shape = (NUM_FEATURES, NUM_BINS)
    found = unpack_pairs(vs.Ciphertexts.unpack(opened, 2 * SLOT_BITS, shape))
    split = best_split(*(part / SCALE for part in found))
    done = time.perf_counter()

    print(f"{num_rows:,} rows in {len(message):,} bytes; the histograms in {len(answer):,} bytes")
    print(f"bank: encrypt {encrypted - start:.2f} s, open {done - packed:.2f} s")
    print(f"shop: read {read - encrypted:.2f} s, pack {packed - added:.2f} s")
    rate = bins.size / (added - read)
    print(f"shop: {bins.size:,} additions in {added - read:.2f} s, {rate:,.0f} a second")
    print(f"split: feature {split[0]}, bins up to {split[1]} go left")

    # The same in the clear, of the floats as they are.
    columns = [(bins[:, feature], np.arange(NUM_BINS)) for feature in range(NUM_FEATURES)]
    plain = [
        np.array([np.bincount(column, values, NUM_BINS) for column, _ in columns])
        for values in (g, h)
    ]
    assert split == best_split(*plain)
    for part, values in zip(found, plain, strict=True):
        assert np.abs(part / SCALE - values).max() <= num_rows / (2 * SCALE)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Histograms of encrypted gradients.")
    parser.add_argument("--rows", type=int, default=100_000, metavar="N", help="default 100,000")
    main(parser.parse_args().rows)
