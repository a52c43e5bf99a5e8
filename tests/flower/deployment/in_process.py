"""The same training without Flower: the loop of ``veilsum.FedAvg`` with the example's data."""

import sys

import veilsum as vs
from parties import EXAMPLE, NAMES

sys.path.insert(0, str(EXAMPLE))
sys.path.insert(0, str(EXAMPLE.parents[1] / "tests"))

from encrypted_digits import task
from shared_keys import shared_key


class Party:
    """A client of the loop with one party's images."""

    def __init__(self, partition):
        self._images, self._labels = task.train_data(partition, len(NAMES))
        self.num_samples = len(self._images)

    def train(self, model, epochs):
        assert epochs == 1
        return task.train(model, self._images, self._labels)


def model_of_the_loop(num_rounds, partitions):
    """The model after so many encrypted rounds of these parties, all in this process."""
    clients = [Party(partition) for partition in partitions]
    shared = shared_key()
    loop = vs.FedAvg(
        task.initial_model(),
        clients,
        codec=vs.Codec(650, clip=1.0, value_bits=16, max_addends=len(NAMES), weight_bits=5),
        trust="threshold",
        key=(shared.key, shared.shares),
        fraction=1.0,
        max_samples=Party(len(NAMES) - 1).num_samples,
    )
    history = loop.run(num_rounds)
    assert all(not record.failures for record in history.rounds)
    return loop.model
