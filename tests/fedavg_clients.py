"""Clients for tests of the round loop: linear regression on data of their own."""

import numpy as np
import veilsum as vs
from known_keys import known_key
from shared_keys import shared_key

TRUTH = [np.array([[0.5, -0.25], [0.125, 0.75]], np.float32), np.array([0.3, -0.6])]
DIM = sum(array.size for array in TRUTH)


def zeros():
    return [np.zeros_like(array) for array in TRUTH]


def error(model):
    """1 for the truth, falling with the distance from it."""
    return 1 - max(float(np.abs(a - b).max()) for a, b in zip(model, TRUTH, strict=True))


class LinearClient:
    """Sees its own noisy samples of y = x W + b and takes gradient steps."""

    def __init__(self, seed, num_samples=20):
        random = np.random.default_rng(seed)
        self.num_samples = num_samples
        self._x = random.standard_normal((num_samples, 2))
        self._y = self._x @ TRUTH[0] + TRUTH[1]
        self._y += 0.01 * random.standard_normal(self._y.shape)
        self.calls = []

    def train(self, model, epochs):
        self.calls.append(epochs)
        weights, bias = model
        for _ in range(10 * epochs):
            residual = self._x @ weights + bias - self._y
            weights = weights - 0.1 * self._x.T @ residual / len(self._x)
            bias = bias - 0.1 * residual.mean(axis=0)
        return [weights.astype(np.float32), bias]


class FailingClient(LinearClient):
    """Fails from its ``first_failure``-th turn on, in the way it is told."""

    def __init__(self, seed, how, first_failure=1):
        super().__init__(seed)
        self._how = how
        self._first_failure = first_failure

    def train(self, model, epochs):
        trained = super().train(model, epochs)
        if len(self.calls) < self._first_failure:
            return trained
        return self._how(trained)


def raise_timeout(trained):
    raise TimeoutError("the client did not answer")


def put_nan(trained):
    trained[0][0, 1] = np.nan
    return trained


def lose_an_array(trained):
    return trained[:1]


def turn_integer(trained):
    return [array.astype(complex) for array in trained]


NUM_CLIENTS = 10
CODEC = vs.Codec(DIM, clip=1.0, value_bits=16, max_addends=NUM_CLIENTS)


def key():
    return known_key(2048).secret


def loop_key(trust):
    """A key for this trust, made ahead."""
    return (shared_key().key, shared_key().shares) if trust == "threshold" else key()


def clients(num_clients=NUM_CLIENTS):
    return [LinearClient(seed, num_samples=10 + 5 * seed) for seed in range(num_clients)]


def loop(members=None, **changes):
    settings = {"codec": CODEC, "trust": "clear", "fraction": 1.0, "evaluate": error, "seed": 1}
    settings |= changes
    if settings["trust"] != "clear":
        settings.setdefault("key", loop_key(settings["trust"]))
    return vs.FedAvg(zeros(), clients() if members is None else members, **settings)


def same(a, b):
    return all(np.array_equal(x, y) and x.dtype == y.dtype for x, y in zip(a, b, strict=True))


def choices(selector, num_rounds):
    """Whom a selector chooses in these rounds."""
    state, chosen = selector.start, []
    for _ in range(num_rounds):
        names, state = selector.choose(state)
        chosen.append(names)
    return chosen
