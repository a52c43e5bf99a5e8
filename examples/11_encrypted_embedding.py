"""A client compares its face, voice or text with a server's list, and shows it to nobody.

An embedding of norm 1 is encrypted, and the server multiplies it by its own, one a row: these dot
products are the cosine similarities. The server learns nothing but the number of values and of
bits. A client that keeps to it learns all similarities, and no embedding of the server. One that
does not learns them all in a few queries: a plaintext has room for dozens of values side by side,
and each answer is a linear equation about every row. What the server must hide from such a client,
it must not compute for it.

    python examples/11_encrypted_embedding.py
"""

import numpy as np
import veilsum as vs
from numpy.typing import NDArray

DIM, NUM_KNOWN = 128, 50


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    norms: NDArray[np.float32] = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / norms


def main() -> None:
    rng = np.random.default_rng(11)
    known = unit(rng.normal(size=(NUM_KNOWN, DIM)).astype(np.float32))
    embedding = unit(known[7] + 0.05 * rng.normal(size=DIM).astype(np.float32))

    # The client encrypts with its own key. The precision and the bound are public: 1 is that of
    # any embedding of norm 1, with some room for rounding.
    client = vs.generate_key(2048)
    query = client.encrypt_floats(embedding, precision=1e-7, bound=1.001).to_bytes()

    # The server multiplies, and rerandomises: the client made the randomness of the query, and
    # could test guesses of the rows on what comes of it.
    x = vs.EncryptedFloats.from_bytes(query, client.public_key)
    answer = (x @ known.T).rerandomise().to_bytes()

    # The client opens as many similarities as the server has rows.
    opened = vs.EncryptedFloats.from_bytes(answer, client.public_key)
    similarities = client.decrypt_floats(opened)
    print(f"query {len(query):,} bytes, answer {len(answer):,} bytes")
    print(f"most like number {similarities.argmax()}, by {similarities.max():.4f}")

    plain = known.astype(np.float64) @ embedding.astype(np.float64)
    difference = np.abs(similarities - plain).max()
    print(
        f"largest difference from plain {difference:.0e}, at most {float(opened.error):.0e} stated"
    )
    assert difference <= opened.error
    assert similarities.argmax() == plain.argmax()


if __name__ == "__main__":
    main()
