"""The network of the PyTorch job, and how a site trains it; for tests only."""

import torch
from sklearn.datasets import load_digits
from torch import nn


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(7)  # NVFlare's server makes the module anew from its class
        self.layers = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(4 * 4 * 4, 10),
        )

    def forward(self, samples):
        return self.layers(samples)


def train(module, site):
    """Some steps on this site's digits, the same in every process."""
    torch.set_num_threads(1)
    bunch, first = load_digits(), int(site.rpartition("-")[2]) - 1
    samples = torch.tensor(bunch.images[first:600:4] / 16, dtype=torch.float32).unsqueeze(1)
    labels = torch.tensor(bunch.target[first:600:4])
    module.train()
    optimiser = torch.optim.SGD(module.parameters(), lr=0.1)
    for _ in range(5):
        optimiser.zero_grad()
        nn.functional.cross_entropy(module(samples), labels).backward()
        optimiser.step()
    return len(labels)
