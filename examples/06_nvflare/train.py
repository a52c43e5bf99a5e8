"""What a site runs: softmax regression on its share of the digits, with NVFlare's Client API.

Nothing in it knows of encryption; it would run unchanged in a plain job.
"""

from typing import Any

import numpy as np
import nvflare.client as flare
from numpy.typing import NDArray
from nvflare.app_common.abstract.fl_model import ParamsType
from nvflare.app_common.np.constants import NPConstants
from sklearn.datasets import load_digits

NUM_SITES, NUM_CLASSES = 4, 10
Floats = NDArray[np.float32]


def digits() -> tuple[Floats, NDArray[np.int64]]:
    """1,797 digits of 8 by 8 pixels, as rows that end with a one."""
    bunch = load_digits()
    samples = np.hstack([bunch.data / 16, np.ones((len(bunch.data), 1))]).astype(np.float32)
    return samples, bunch.target


def share(site: str) -> tuple[Floats, NDArray[np.int64]]:
    """The samples of one site: shares of different sizes of the first 1,500."""
    samples, labels = digits()
    number = int(site.rpartition("-")[2]) - 1
    begin, end = (1500 * i * (i + 1) // (NUM_SITES * (NUM_SITES + 1)) for i in (number, number + 1))
    return samples[begin:end], labels[begin:end]


def trained(weights: Floats, samples: Floats, labels: NDArray[np.int64]) -> Floats:
    """The weights after some steps down the gradient."""
    weights, targets = weights.copy(), np.eye(NUM_CLASSES, dtype=np.float32)[labels]
    for _ in range(10):
        scores = samples @ weights
        chances = np.exp(scores - scores.max(axis=1, keepdims=True))
        chances /= chances.sum(axis=1, keepdims=True)
        weights -= np.float32(0.5 / len(samples)) * samples.T @ (chances - targets)
    return weights


def main() -> None:
    flare.init()
    samples, labels = share(flare.get_site_name())
    while flare.is_running():
        received: Any = flare.receive()
        weights = trained(received.params[NPConstants.NUMPY_KEY], samples, labels)
        flare.send(
            flare.FLModel(
                params={NPConstants.NUMPY_KEY: weights},
                params_type=ParamsType.FULL,
                meta={"NUM_STEPS_CURRENT_ROUND": len(samples)},
            )
        )


if __name__ == "__main__":
    main()
