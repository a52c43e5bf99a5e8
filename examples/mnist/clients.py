"""A client of federated averaging: it has images, and trains on them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .models import Images, Labels, Model, Parameters
from .partition import Part


class Client:
    """One client: its images never leave this object, only trained parameters do.

    Its random choices come from its own generator alone, so what it returns depends on its seed and
    on its own earlier rounds, not on which other clients take part.
    """

    def __init__(
        self,
        model: Model,
        images: Images,
        labels: Labels,
        *,
        lr: float,
        batch_size: int,
        seed: int | np.random.SeedSequence,
    ) -> None:
        if len(images) != len(labels) or len(images) == 0:
            raise ValueError(f"{len(images)} images and {len(labels)} labels: one label each, > 0")
        self._model = model
        self._images = images
        self._labels = labels
        self._lr = lr
        self._batch_size = batch_size
        self._rng = np.random.default_rng(seed)

    @property
    def num_samples(self) -> int:
        """How many images this client has."""
        return len(self._images)

    def train(self, model: Parameters, epochs: int) -> Parameters:
        """Trains a copy of the global model's parameters on this client's images.

        Args:
            model: the parameters of the round; not changed.
            epochs: passes over the images, >= 0.

        Returns:
            new arrays of the same shapes.
        """
        trained = [values.copy() for values in model]
        for _ in range(epochs):
            self._model.sgd_epoch(
                trained,
                self._images,
                self._labels,
                lr=self._lr,
                batch_size=self._batch_size,
                rng=self._rng,
            )
        return trained


def make_clients(
    model: Model,
    images: Images,
    labels: Labels,
    parts: Sequence[Part],
    *,
    lr: float,
    batch_size: int,
    seed: int,
) -> list[Client]:
    """One client for each part, a list of indices into ``images`` and ``labels``.

    Every client gets an independent generator, derived from ``seed`` and its position.
    """
    seeds = np.random.SeedSequence(seed).spawn(len(parts))
    return [
        Client(model, images[part], labels[part], lr=lr, batch_size=batch_size, seed=client_seed)
        for part, client_seed in zip(parts, seeds, strict=True)
    ]
