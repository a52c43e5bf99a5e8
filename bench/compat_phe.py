"""What one operation costs in phe and under its names in veilsum, and in batches.

    .venv/bin/python -m bench.compat_phe [BITS]

Milliseconds of the processor, the best of four, each library in its turn under the same key. phe
takes gmpy2 where it finds it.
"""

import sys
import time
from collections.abc import Callable

import phe.paillier as theirs
from veilsum.compat.phe import paillier as ours

_ROUNDS = 4
_BATCH = 256


def best(operation: Callable[[], object], repeats: int) -> float:
    """Milliseconds of the processor for one operation."""
    found = []
    for _ in range(_ROUNDS):
        start = time.process_time()
        for _ in range(repeats):
            operation()
        found.append((time.process_time() - start) / repeats * 1e3)
    return min(found)


def main(bits: int) -> None:
    """Print the table."""
    public, private = ours.generate_paillier_keypair(n_length=bits)
    their_public = theirs.PaillierPublicKey(public.n)
    their_private = theirs.PaillierPrivateKey(their_public, private.p, private.q)
    a, b = public.encrypt(1.5), public.encrypt(2.5)
    x, y = their_public.encrypt(1.5), their_public.encrypt(2.5)
    print(f"{bits} bits, ms: {'phe':>23} {'here':>10}")
    for name, there, here, repeats in [
        ("encrypt", lambda: their_public.encrypt(1.2345), lambda: public.encrypt(1.2345), 4),
        ("add two", lambda: x + y, lambda: a + b, 400),
        ("add a number", lambda: x + 5, lambda: a + 5, 400),
        ("subtract two", lambda: x - y, lambda: a - b, 100),
        ("times a float", lambda: x * 1.2345, lambda: a * 1.2345, 20),
        ("decrypt", lambda: their_private.decrypt(x), lambda: private.decrypt(a), 4),
    ]:
        print(f"{name:30} {best(there, repeats):10.3f} {best(here, repeats):10.3f}", flush=True)
    values = [i + 0.5 for i in range(_BATCH)]
    batch = public.encrypt_batch(values, precision=1e-3)
    for name, call in [
        ("encrypt_batch", lambda: public.encrypt_batch(values, precision=1e-3)),
        ("sum_batch", lambda: ours.sum_batch(batch)),
        ("dot_batch", lambda: ours.dot_batch(values, batch)),
        ("decrypt_batch", lambda: private.decrypt_batch(batch)),
    ]:
        print(f"{name + f', a number of {_BATCH}':41} {best(call, 1) / _BATCH:10.3f}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3072)
