"""What the demo shows, in order, and what it remarks on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import veilsum as vs
from rich.console import Console

from . import tasks
from .data import Dataset
from .experiments import Result, Task, gaussian, laplace, shortened, sweep, train
from .plots import TradeOff

DELTA = 1e-5
EPSILONS = [0.5, 1.0, 2.0, 4.0, 8.0]
PURE_EPSILONS = [1.0, 2.0, 4.0, 8.0, 16.0]
# Largest norm of a client's change, L2 and L1: about what they have without noise.
GAUSSIAN_NORM = 1.0
LAPLACE_NORM = 10.0
NUM_HOPELESS_ROUNDS = 10


@dataclass(frozen=True)
class Settings:
    """What the command line decides; see its ``--help``."""

    rounds: int | None
    clients: int
    key_bits: int
    epsilon: float
    trust: vs.fedavg.Trust
    target: float | None
    two_digits: bool
    seed: int


class Story:
    """The parts of the demo; each adds to ``results``, ``remarks`` and the plots."""

    def __init__(self, dataset: Dataset, console: Console, settings: Settings) -> None:
        self.results: list[Result] = []
        self.remarks: list[str] = []
        self.accuracy_plot: list[Result] = []
        self.trade_offs: list[TradeOff] = []
        self._dataset = dataset
        self._console = console
        self._settings = settings
        self._key: vs.SecretKey | None = None

    # ---- the parts ----

    def plain(self) -> None:
        """Ordinary federated averaging of the large model, for comparison."""
        for two_digits in (False, True):
            split = "two digits" if two_digits else "mixed"
            self._train(f"2NN {split}, plain", self._large(two_digits=two_digits), in_plot=True)

    def encrypted(self) -> None:
        """The same, and nobody sees a client's change."""
        for two_digits in (False, True)[: 1 + self._settings.two_digits]:
            split = "two digits" if two_digits else "mixed"
            task = self._large(two_digits=two_digits)
            self._train(f"2NN {split}, encrypted", task, encrypted=True, in_plot=True)
        self.remarks.append(
            "Encryption costs time and no accuracy: the sums are exact, to the codec's 12 bits a "
            "value. The server sees one sum a round and no client's change."
        )

    def gaussian(self) -> None:
        """Gaussian noise: hopeless on the large model, cheap on one that fits its clients."""
        epsilon = self._settings.epsilon
        # Without momentum, which would carry the noise on and diverge.
        large = shortened(self._large(two_digits=False), NUM_HOPELESS_ROUNDS)
        large = replace(large, momentum=0.0)
        trust = self._settings.trust
        make = partial(gaussian, delta=DELTA, norm_bound=GAUSSIAN_NORM, trust=trust)
        hopeless = self._train("2NN mixed, Gaussian, clear", large, noise=make(large, epsilon))
        assert hopeless.forecast is not None
        self.remarks.append(
            f"Privacy is not to be had for the 2NN: at epsilon {epsilon:g}, noise on "
            f"{large.model.num_parameters:,} values of {large.num_per_round} clients leaves a "
            f"signal of at most {hopeless.forecast.signal_to_noise:.3f} of the noise."
        )
        task = shortened(
            tasks.small(self._dataset, seed=self._settings.seed), self._settings.rounds
        )
        self._with_noise("softmax", task, "Gaussian", lambda e: make(task, e), EPSILONS)

    def laplace(self) -> None:
        """Laplace noise, for pure differential privacy, on a still smaller model."""
        make = partial(laplace, norm_bound=LAPLACE_NORM)
        seed = self._settings.seed
        task = tasks.tiny(self._dataset, two_classes=True, seed=seed)
        self._with_noise("even/odd", task, "Laplace", lambda e: make(task, e), PURE_EPSILONS)
        ten = tasks.tiny(self._dataset, two_classes=False, seed=seed)
        clear = train("", ten, seed=seed).accuracy
        points = self._sweep("ten digits", ten, lambda e: make(ten, e), PURE_EPSILONS)
        self.trade_offs.append(TradeOff(f"Laplace, {_size(ten)}", points, clear, 1 / 10))
        self.remarks.append(
            "Pure differential privacy trusts nobody, so every client adds the whole noise: at "
            f"epsilon {points[0][0]:g} ten digits are guesswork ({points[0][1]:.0%}) even with "
            f"{ten.num_per_round:,} clients."
        )

    # ---- how ----

    def _large(self, *, two_digits: bool) -> Task:
        settings = self._settings
        task = tasks.large(
            self._dataset, num_clients=settings.clients, two_digits=two_digits, seed=settings.seed
        )
        return shortened(task, settings.rounds)

    def _train(
        self,
        name: str,
        task: Task,
        *,
        encrypted: bool = False,
        noise: vs.privacy.Noise | None = None,
        in_plot: bool = False,
    ) -> Result:
        self._console.print(f"Training: {name} ...", highlight=False)
        target = self._settings.target
        result = train(
            name,
            task,
            trust=self._settings.trust if encrypted else "clear",
            quantised=encrypted or noise is not None,
            key=self._secret_key() if encrypted else None,
            noise=noise,
            seed=self._settings.seed,
            progress=True,
            until=None if target is None or noise is not None else target,
        )
        self.results.append(result)
        if in_plot:
            self.accuracy_plot.append(result)
        return result

    def _with_noise(
        self,
        name: str,
        task: Task,
        kind: str,
        make_noise: Callable[[float], vs.privacy.Noise],
        epsilons: list[float],
    ) -> None:
        """Without noise, then encrypted with it, then the accuracies at other epsilons."""
        epsilon = self._settings.epsilon
        clear = self._train(f"{name}, plain", task)
        noisy = self._train(
            f"{name}, encrypted, {kind}", task, encrypted=True, noise=make_noise(epsilon)
        )
        assert noisy.forecast is not None
        self.remarks.append(
            f"{kind} noise at epsilon {epsilon:g} costs the {name} model "
            f"{100 * (clear.accuracy - noisy.accuracy):.1f} points of accuracy; "
            f"{task.num_per_round:,} clients a round leave a signal of up to "
            f"{noisy.forecast.signal_to_noise:.2f} of the noise."
        )
        points = self._sweep(name, task, make_noise, epsilons)
        guess = 1 / task.model.widths[-1]
        self.trade_offs.append(TradeOff(f"{kind}, {_size(task)}", points, clear.accuracy, guess))

    def _sweep(
        self,
        name: str,
        task: Task,
        make_noise: Callable[[float], vs.privacy.Noise],
        epsilons: list[float],
    ) -> list[tuple[float, float]]:
        self._console.print(
            f"Training: {name} at {len(epsilons)} epsilons, the same integers in the clear ...",
            highlight=False,
        )
        repeats = 3 if task.rounds == 1 else 1
        return sweep(task, make_noise, epsilons, repeats=repeats, seed=self._settings.seed)

    def _secret_key(self) -> vs.SecretKey:
        if self._key is None:
            self._key = vs.generate_key(
                self._settings.key_bits, safe_primes=self._settings.trust == "threshold"
            )
        return self._key


def _size(task: Task) -> str:
    classes = {2: "even or odd", 10: "ten digits"}.get(
        task.model.widths[-1], f"{task.model.widths[-1]} classes"
    )
    return f"{classes}, {task.model.num_parameters:,} values, {task.num_per_round:,} clients"
