"""Three hospitals add their vectors; the one who adds sees ciphertexts only.

The smallest use of veilsum: a key, a codec and an accumulator. Whoever has the secret key can open
anything that is encrypted under it, so here that is an authority of its own.

    python examples/01_secure_sum.py
"""

import numpy as np
import veilsum as vs

DIM = 10_000


def main() -> None:
    # The authority makes the key. The public half is for everyone.
    authority = vs.generate_key(2048)  # 3072 bits unless you say otherwise
    public_key = authority.public_key

    # All parties use the same codec: 16-bit values in [-1, 1], room for up to 100 addends.
    codec = vs.Codec(DIM, clip=1.0, value_bits=16, max_addends=100)
    rng = np.random.default_rng(1)
    vectors = [rng.uniform(-1, 1, DIM) for _ in range(3)]
    messages = [codec.encrypt(vector, key=public_key).to_bytes() for vector in vectors]
    print(f"each hospital sends {len(messages[0]):,} bytes for {DIM:,} values")

    # The aggregator reads what arrives, refuses what is malformed, and keeps one running sum.
    accumulator = vs.Accumulator(codec, key=public_key)
    for message in messages:
        accumulator.add(vs.EncryptedVector.from_bytes(message, public_key))

    # The authority opens the sum, and nothing else reached it.
    total = codec.decrypt(accumulator.total, authority)
    error = np.abs(total.values - sum(vectors)).max()
    print(f"sum of {total.num_addends} vectors; largest rounding error {error:.1e}")
    assert error <= len(vectors) / (2 * codec.scale) * (1 + 1e-9)  # half a grid step a vector


if __name__ == "__main__":
    main()
