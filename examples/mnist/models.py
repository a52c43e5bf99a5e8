"""Multilayer perceptrons in plain numpy: ReLU between the layers, softmax and cross-entropy last.

A model's parameters are a flat list of arrays, ``[weights, biases, weights, biases, ...]``, which
is what federated averaging exchanges. The model object itself holds no state.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Parameters = list[NDArray[np.float32]]
Images = NDArray[np.float32]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Model:
    """A multilayer perceptron.

    ``images`` below has shape ``(n, widths[0])`` and ``labels`` shape ``(n,)`` with values below
    ``widths[-1]``, n > 0. All computations keep the dtype of parameters and images.

    Attributes:
        widths: the width of the input, of each hidden layer and of the output.
    """

    widths: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.widths) < 2 or min(self.widths) < 1:
            raise ValueError(f"widths must name an input and an output, all >= 1: {self.widths}")

    @property
    def num_parameters(self) -> int:
        """How many numbers the parameters hold in all."""
        return sum(inputs * outputs + outputs for inputs, outputs in pairwise(self.widths))

    def initial(self, rng: np.random.Generator) -> Parameters:
        """Parameters to start from: He et al. 2015 for hidden layers, zero for the last.

        A zero last layer starts with no opinion, so that the first rounds need not unlearn one.
        """
        parameters = []
        for inputs, outputs in pairwise(self.widths):
            weights = rng.normal(0.0, np.sqrt(2.0 / inputs), (inputs, outputs))
            parameters += [weights.astype(np.float32), np.zeros(outputs, np.float32)]
        parameters[-2][:] = 0.0
        return parameters

    def loss(self, parameters: Parameters, images: Images, labels: Labels) -> float:
        """The mean cross-entropy, in nats."""
        scores = self._layer_outputs(parameters, images)[-1]
        scores = scores - scores.max(axis=1, keepdims=True)
        log_normaliser = np.log(np.exp(scores).sum(axis=1))
        return float(np.mean(log_normaliser - scores[np.arange(len(labels)), labels]))

    def gradient(self, parameters: Parameters, images: Images, labels: Labels) -> Parameters:
        """The gradient of ``loss``, shaped like ``parameters``."""
        outputs = self._layer_outputs(parameters, images)
        errors = _softmax(outputs[-1])
        errors[np.arange(len(labels)), labels] -= 1.0
        errors /= len(labels)
        gradient: Parameters = []
        for layer in reversed(range(len(self.widths) - 1)):
            gradient[:0] = [outputs[layer].T @ errors, errors.sum(axis=0)]
            if layer > 0:
                errors = errors @ parameters[2 * layer].T
                errors[outputs[layer] <= 0.0] = 0.0
        return gradient

    def sgd_epoch(
        self,
        parameters: Parameters,
        images: Images,
        labels: Labels,
        *,
        lr: float,
        batch_size: int,
        rng: np.random.Generator,
    ) -> None:
        """One pass of stochastic gradient descent over the data, in random order.

        Changes ``parameters`` in place. The last batch is smaller where ``batch_size`` does not
        divide the number of images.
        """
        order = rng.permutation(len(images))
        images, labels = images[order], labels[order]
        for start in range(0, len(images), batch_size):
            batch = slice(start, start + batch_size)
            gradient = self.gradient(parameters, images[batch], labels[batch])
            for values, slope in zip(parameters, gradient, strict=True):
                slope *= lr
                values -= slope

    def accuracy(self, parameters: Parameters, images: Images, labels: Labels) -> float:
        """The share of images whose highest score is that of their label, in [0, 1]."""
        scores = self._layer_outputs(parameters, images)[-1]
        return float(np.mean(scores.argmax(axis=1) == labels))

    def _layer_outputs(self, parameters: Parameters, images: Images) -> list[Images]:
        """The images, the output of each hidden layer, and the scores before the softmax."""
        outputs = [images]
        for weights, biases in zip(parameters[:-2:2], parameters[1:-2:2], strict=True):
            outputs.append(np.maximum(outputs[-1] @ weights + biases, 0.0))
        outputs.append(outputs[-1] @ parameters[-2] + parameters[-1])
        return outputs


def two_hidden_layers(num_inputs: int = 784, num_classes: int = 10) -> Model:
    """The "2NN" of McMahan et al. 2017: 199,210 parameters for 28 x 28 images and ten digits."""
    return Model((num_inputs, 200, 200, num_classes))


def softmax_regression(num_inputs: int = 784, num_classes: int = 10) -> Model:
    """One layer and a softmax: 7,850 parameters for 28 x 28 images and ten digits.

    Fewer parameters mean less noise in all for the same privacy; with pooled images it is the model
    to train under pure differential privacy.
    """
    return Model((num_inputs, num_classes))


def _softmax(scores: Images) -> Images:
    exponentials: Images = np.exp(scores - scores.max(axis=1, keepdims=True))
    exponentials /= exponentials.sum(axis=1, keepdims=True)
    return exponentials
