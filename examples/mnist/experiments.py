"""The demo's experiments: the same learning, plain, encrypted, and with privacy noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import veilsum as vs

from .clients import make_clients
from .models import Images, Labels, Model
from .partition import Part


@dataclass(frozen=True)
class Task:
    """Something to learn together: data dealt out to clients, and how they train.

    Attributes:
        title: what the table calls it.
        train_images, train_labels: all clients' data; ``parts`` says whose is what.
        lr, batch_size, local_epochs: of the clients' gradient descent.
        fraction: of the clients asked each round.
        codec: for the changes of this model; it is fitted to the noise where there is any.
    """

    title: str
    model: Model
    train_images: Images
    train_labels: Labels
    test_images: Images
    test_labels: Labels
    parts: list[Part]
    rounds: int
    fraction: float
    lr: float
    batch_size: int
    codec: vs.Codec
    local_epochs: int = 1
    server_lr: float = 1.0
    momentum: float = 0.0

    @property
    def num_per_round(self) -> int:
        """Clients asked each round."""
        return max(1, round(self.fraction * len(self.parts)))

    @property
    def rounds_per_client(self) -> int:
        """The most rounds in which one client takes part, when all take turns."""
        return -(-self.rounds * self.num_per_round // len(self.parts))


@dataclass(frozen=True)
class Result:
    """One trained model, and what it took."""

    name: str
    task: Task
    trust: vs.fedavg.Trust
    noise: vs.privacy.Noise | None
    forecast: vs.privacy.Forecast | None
    history: vs.fedavg.History

    @property
    def accuracy(self) -> float:
        """On the test images, at the end."""
        return self.history.accuracies[-1][1]

    @property
    def update_bytes(self) -> float:
        """What one client sends up in a round, on average."""
        sent = sum(record.num_contributors for record in self.history.rounds)
        return self.history.num_bytes.get("contributions", 0) / max(1, sent)


def train(
    name: str,
    task: Task,
    *,
    trust: vs.fedavg.Trust = "clear",
    quantised: bool = True,
    key: vs.SecretKey | None = None,
    noise: vs.privacy.Noise | None = None,
    seed: int = 1,
    progress: bool = False,
    until: float | None = None,
) -> Result:
    """Train a task from the start.

    Args:
        name: what the table calls the result.
        task: what to learn.
        trust: as for ``veilsum.FedAvg``.
        quantised: False averages floats: only without encryption and noise.
        key: the secret key, where the sums are encrypted.
        noise: every client's privacy noise; all weights are then 1.
        seed: of the data's random order, the initial model and the choice of clients.
        progress: show a bar.
        until: end early at this accuracy.
    """
    clients = make_clients(
        task.model,
        task.train_images,
        task.train_labels,
        task.parts,
        lr=task.lr,
        batch_size=task.batch_size,
        seed=seed,
    )
    loop = vs.FedAvg(
        task.model.initial(np.random.default_rng(seed)),
        clients,
        codec=task.codec if quantised else None,
        trust=trust,
        key=key,
        fraction=task.fraction,
        # Turns spread the privacy that noise costs evenly over the clients.
        selection="random" if noise is None else "shuffled",
        local_epochs=task.local_epochs,
        weighting="samples" if noise is None else "uniform",
        noise=noise,
        server_lr=task.server_lr,
        momentum=task.momentum,
        evaluate=lambda model: task.model.accuracy(model, task.test_images, task.test_labels),
        seed=seed,
        progress=progress,
    )
    loop.run(task.rounds, until=until)
    expected = None
    if noise is not None and loop.codec is not None:
        expected = vs.privacy.forecast(noise, loop.codec, num_contributors=task.num_per_round)
    return Result(name, task, trust, noise, expected, loop.history)


def gaussian(
    task: Task, epsilon: float, *, delta: float, norm_bound: float, trust: vs.fedavg.Trust
) -> vs.privacy.Noise:
    """Gaussian noise for a task of which half of each round's clients are trusted to be honest.

    Where every client has the key, each of them could open a single contribution: nobody but its
    own client is trusted then.
    """
    return vs.privacy.GaussianNoise(
        epsilon=epsilon,
        delta=delta,
        rounds=task.rounds_per_client,
        norm_bound=norm_bound,
        honest_contributors=1 if trust == "contributors" else max(1, task.num_per_round // 2),
        weighted=False,
    )


def laplace(task: Task, epsilon: float, *, norm_bound: float) -> vs.privacy.Noise:
    """Laplace noise for a task: every client's own noise protects it from all others together."""
    return vs.privacy.LaplaceNoise(
        epsilon=epsilon, rounds=task.rounds_per_client, norm_bound=norm_bound, weighted=False
    )


def sweep(
    task: Task,
    make_noise: Callable[[float], vs.privacy.Noise],
    epsilons: list[float],
    *,
    repeats: int,
    seed: int,
) -> list[tuple[float, float]]:
    """``(epsilon, accuracy)`` for each epsilon, with the integers added in the clear.

    Encryption changes no bit of a sum, so these are the accuracies of encrypted training, in a
    fraction of the time. The mean of ``repeats`` runs, which differ in their noise: it is never the
    same twice, and where there is one round only it does not average out.
    """

    def accuracy(epsilon: float) -> float:
        return train("", task, noise=make_noise(epsilon), seed=seed).accuracy

    return [(e, float(np.mean([accuracy(e) for _ in range(repeats)]))) for e in epsilons]


def shortened(task: Task, rounds: int | None) -> Task:
    """The task with another number of rounds, if one is given."""
    return task if rounds is None else replace(task, rounds=rounds)
