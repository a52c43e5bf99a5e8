"""Two companies know different things of the same people, and fit one regression on both.

The bank has the labels and some features, the shop has others; rows are aligned already. Each has a
key of its own and does the same in every step:

- it sends its part of the residuals, encrypted under its key;
- it multiplies the other's part by its own features, adds a mask drawn afresh from all plaintexts,
  and has the other open that: what the other sees is uniformly random;
- it takes the mask off and has the exact gradient of its own weights, which it keeps.

Residuals are linear in the scores, z - y, or z / 4 + 1 / 2 - y for logistic regression: the first
terms of the sigmoid, as in Hardy et al., https://arxiv.org/abs/1711.10677, whose third party this
does without.

Who learns what, if both keep to it: the bank, in each step, its features times the shop's scores;
the shop its features times the bank's residuals; each that many sums over all rows, and nothing of
single rows. These sums are about labels and scores: once steps times features come near the number
of rows, they may tell each row. A party that does not keep to it can have others of the other's
numbers opened in place of its masked gradient, several packed into each: all rows in one step. Both
learn the number of rows and of features.

    python examples/09_vertical_regression.py
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import veilsum as vs
from numpy.typing import NDArray

NUM_ROWS, NUM_STEPS, KEY_BITS = 300, 6, 2048
BOUND = 1024.0  # No part of a residual is larger, or it is refused; public, as the precision is.
MOST_FEATURES = 20  # So many numbers are opened for the other in a step, agreed before.
SECONDS, FRAME_BYTES = 60, 4  # How long to wait for the other; the length before a message.

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Model:
    """The residual is ``slope * score + offset - target``."""

    name: str
    slope: float
    offset: float
    rate: float


MODELS = (Model("linear", 1.0, 0.0, 0.3), Model("logistic", 0.25, 0.5, 1.5))


class Channel:
    """Messages over a socket, each with its length before it."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        connection.settimeout(SECONDS)

    def send(self, message: bytes) -> None:
        self._connection.sendall(len(message).to_bytes(FRAME_BYTES, "big") + message)

    def receive(self, max_bytes: int) -> bytes:
        """Nothing is kept of a message that says it is longer."""
        size = int.from_bytes(self._exactly(FRAME_BYTES), "big")
        if size > max_bytes:
            raise ValueError(f"a message of {size} bytes is longer than the {max_bytes} expected")
        return self._exactly(size)

    def _exactly(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            if not (part := self._connection.recv(size - len(parts))):
                raise ConnectionError("the other party hung up")
            parts += part
        return bytes(parts)


@dataclass
class Step:
    """What a party had and found in one step: the check at the end sees those of both."""

    weights: Floats
    gradient: Floats
    error: float  # No entry of the gradient is off by more.


def party(
    model: Model,
    features: Floats,
    targets: Floats | None,
    channel: Channel,
) -> list[Step]:
    """All that one company runs. The bank has targets, the shop has none."""
    num_rows, num_features = features.shape
    key = vs.generate_key(KEY_BITS)
    channel.send(key.public_key.to_bytes())
    theirs = vs.PublicKey.from_bytes(channel.receive(1000))
    n = theirs.n
    max_bytes = 1000 + KEY_BITS // 4 * max(num_rows, MOST_FEATURES)  # Of any message.

    weights, steps = np.zeros(num_features), []
    for _ in range(NUM_STEPS):
        part = model.slope * (features @ weights)
        if targets is not None:
            part += model.offset - targets
        channel.send(key.encrypt_floats(part, bound=BOUND).to_bytes())
        their_part = vs.EncryptedFloats.from_bytes(channel.receive(max_bytes), theirs)
        if their_part.shape != (num_rows,):
            raise ValueError(f"the other party has {their_part.shape}, not {num_rows} rows")

        # What is sent to be opened is hidden by masks; and these are encrypted, so that it has
        # fresh randomness too: else the other could test guesses of the features.
        product = their_part @ features
        masks = [centred(secrets.randbelow(n), n) for _ in range(num_features)]
        channel.send((product.ciphertexts + theirs.encrypt(masks)).to_bytes())
        asked = vs.Ciphertexts.from_bytes(channel.receive(max_bytes), key.public_key)
        if asked.size > MOST_FEATURES:
            raise ValueError(f"the other party asks to open {asked.size} numbers")
        channel.send(to_bytes(key.decrypt(asked)))
        opened = from_bytes(channel.receive(max_bytes), num_features)

        unmasked = [centred(v - mask, n) for v, mask in zip(opened, masks, strict=True)]
        gradient = (features.T @ part + product.decode(unmasked)) / num_rows
        steps.append(Step(weights, gradient, float(product.error) / num_rows))
        weights = weights - model.rate * gradient
    return steps


def centred(value: int, n: int) -> int:
    """The same number modulo n, from -n/2 to n/2."""
    return (value + n // 2) % n - n // 2


def to_bytes(values: Sequence[int]) -> bytes:
    return b"".join(value.to_bytes(KEY_BITS // 8, "big", signed=True) for value in values)


def from_bytes(data: bytes, count: int) -> list[int]:
    size = KEY_BITS // 8
    if len(data) != count * size:
        raise ValueError(f"{len(data)} bytes are not {count} opened numbers")
    parts = [data[i : i + size] for i in range(0, len(data), size)]
    return [int.from_bytes(part, "big", signed=True) for part in parts]


def run(
    model: Model,
    bank_features: Floats,
    shop_features: Floats,
    targets: Floats,
) -> list[list[Step]]:
    """Both parties, each with a socket. Between machines each is a process of its own."""

    def play(connection: socket.socket, features: Floats, targets: Floats | None) -> list[Step]:
        with connection:  # Who fails hangs up, and the other does not wait.
            return party(model, features, targets, Channel(connection))

    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(2) as both:
        of_shop = socket.create_connection(server.getsockname())
        of_bank, _ = server.accept()
        bank = both.submit(play, of_bank, bank_features, targets)
        shop = both.submit(play, of_shop, shop_features, None)
        return [bank.result(), shop.result()]


def main() -> None:
    rng = np.random.default_rng(9)
    samples = rng.normal(size=(NUM_ROWS, 9))
    truth = samples @ rng.normal(size=9) + 0.1 * rng.normal(size=NUM_ROWS)
    columns = [slice(0, 5), slice(5, 9)]  # The bank's, and the shop's.
    for model in MODELS:
        targets = truth if model.name == "linear" else (truth > 0).astype(np.float64)
        found = run(model, samples[:, columns[0]], samples[:, columns[1]], targets)

        # Only this check sees both sides: every gradient of both, beside the same in the clear.
        largest = stated = 0.0
        for steps in zip(*found, strict=True):
            scores = samples @ np.concatenate([step.weights for step in steps])
            plain = samples.T @ (model.slope * scores + model.offset - targets) / NUM_ROWS
            for step, mine in zip(steps, columns, strict=True):
                largest = max(largest, float(np.abs(step.gradient - plain[mine]).max()))
                stated = max(stated, step.error)
        assert largest <= stated
        fit = np.corrcoef(samples @ np.concatenate([s[-1].weights for s in found]), targets)[0, 1]
        print(
            f"{model.name}: {NUM_STEPS} steps, correlation {fit:.2f}; gradients at most "
            f"{largest:.0e} from plain, {stated:.0e} stated"
        )


if __name__ == "__main__":
    main()
