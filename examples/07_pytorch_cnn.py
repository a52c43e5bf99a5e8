"""Federated averaging of a small convolutional network in PyTorch, on real digits, encrypted.

The network has batch normalisation: its running statistics are averaged, its counters are not.

    pip install 'veilsum[torch]' scikit-learn
    python examples/07_pytorch_cnn.py
"""

import copy
from typing import Any

import torch
import veilsum as vs
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from torch import nn
from veilsum.integrations.torch import StateVector

NUM_CLIENTS, ROUNDS = 5, 4


def network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(8 * 4 * 4, 10),
    )


class Clinic:
    """Has digits; gets the model as one vector, and gives back the vector after training."""

    def __init__(
        self, layout: StateVector, module: nn.Module, samples: torch.Tensor, labels: torch.Tensor
    ) -> None:
        self.num_samples = len(labels)
        self._layout, self._module = layout, copy.deepcopy(module)
        self._samples, self._labels = samples, labels

    def train(self, model: list[NDArray[Any]], epochs: int) -> list[NDArray[Any]]:
        self._layout.load(self._module, model[0])
        self._module.train()
        optimiser = torch.optim.SGD(self._module.parameters(), lr=0.05, momentum=0.9)
        for _ in range(epochs):
            for batch in torch.randperm(self.num_samples).split(32):
                optimiser.zero_grad()
                loss = nn.functional.cross_entropy(
                    self._module(self._samples[batch]), self._labels[batch]
                )
                loss.backward()
                optimiser.step()
        return [self._layout.flatten(self._module)]


def main() -> None:
    torch.manual_seed(7)
    bunch = load_digits()
    samples = torch.tensor(bunch.images / 16, dtype=torch.float32).unsqueeze(1)
    labels = torch.tensor(bunch.target)
    module = network()
    layout = StateVector(module)
    clinics = [
        Clinic(layout, module, samples[i:1500:NUM_CLIENTS], labels[i:1500:NUM_CLIENTS])
        for i in range(NUM_CLIENTS)
    ]

    def accuracy(model: list[NDArray[Any]]) -> float:
        layout.load(module, model[0])
        module.eval()
        with torch.no_grad():
            found = module(samples[1500:]).argmax(dim=1)
        return float((found == labels[1500:]).float().mean())

    loop = vs.FedAvg(
        layout.model,
        clinics,
        codec=vs.Codec(layout.dim, clip=1.0, value_bits=16, max_addends=NUM_CLIENTS),
        trust="authority",
        key_bits=2048,
        fraction=1.0,
        local_epochs=2,
        evaluate=accuracy,
    )
    history = loop.run(ROUNDS)
    size = history.num_bytes["contributions"] / NUM_CLIENTS / ROUNDS
    print(f"{layout.dim} values of {len(layout.names)} tensors, {size:,.0f} bytes a contribution")
    for record in history.rounds:
        print(f"round {record.round_number}: accuracy {record.accuracy:.3f}")


if __name__ == "__main__":
    main()
