"""What a run has cost its clients in privacy, in both of the columns that are shown."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from veilsum.codec import SlotCodec
from veilsum.errors import InvalidArgumentError
from veilsum.opened_sum import Sum
from veilsum.privacy import FixedSizeSampling, Noise, accounting_available, pld_epsilon

__all__ = ["Accountant", "Spending"]


@dataclass(frozen=True)
class Spending:
    """What counts towards the costs of a run. Immutable: each step gives a new one.

    Attributes:
        num_sent: contributions that each client sent, whether or not their rounds were opened.
        honest_server: what the opened sums cost each client, if the server only looks at them.
        num_opened: how many sums were opened.
        is_plain_sample: whether every client that was asked is in the sum of its round.
    """

    num_sent: Mapping[str, int] = field(default_factory=dict)
    honest_server: Mapping[str, float] = field(default_factory=dict)
    num_opened: int = 0
    is_plain_sample: bool = True

    def sent(self, names: Iterable[str]) -> "Spending":
        """After each of these clients sent one more contribution."""
        num_sent = dict(self.num_sent)
        for name in names:
            num_sent[name] = num_sent.get(name, 0) + 1
        return replace(self, num_sent=num_sent)

    def incomplete(self) -> "Spending":
        """After a client that was asked is in no sum: sums no longer are of a plain sample."""
        return replace(self, is_plain_sample=False)


class Accountant:
    """Turns spending into epsilon; the client that spent most is what counts.

    Args:
        noise: what every client adds; None for none.
        codec: fitted to it.
        sampling: how clients are chosen, if that is secret: then every client spends alike.
    """

    def __init__(
        self,
        noise: Noise | None,
        codec: SlotCodec | None,
        sampling: FixedSizeSampling | None = None,
    ) -> None:
        self._noise = noise
        self._codec = codec
        self._sampling = sampling

    def opened(self, spending: Spending, names: Iterable[str]) -> Spending:
        """After a sum of exactly these clients' contributions was opened."""
        names = list(names)
        spending = replace(spending, num_opened=spending.num_opened + 1)
        if self._sampling is not None and len(names) != self._sampling.sample_size:
            spending = spending.incomplete()
        if self._noise is None or self._codec is None or not names:
            return spending
        cost = self._noise.round_cost(self._codec, honest_contributors=len(names))
        costs = dict(spending.honest_server)
        for name in names:
            costs[name] = costs.get(name, 0.0) + cost
        return replace(spending, honest_server=costs)

    def honest_server(self, spending: Spending) -> float | None:
        """Epsilon against whoever sees the models and nothing else; None without noise."""
        if self._noise is None:
            return None
        return self._noise.epsilon_of(max(spending.honest_server.values(), default=0.0))

    def honest_server_sampled(self, spending: Spending) -> float | None:
        """The same against whoever does not know who took part either.

        None where nothing is proved, or without the extra ``accounting``.
        """
        if self._noise is None or self._codec is None or self._sampling is None:
            return None
        if not spending.is_plain_sample or spending.num_opened == 0:
            return None
        if not accounting_available():
            return None
        try:
            return pld_epsilon(
                self._noise, self._codec, rounds=spending.num_opened, sampling=self._sampling
            )
        except InvalidArgumentError:  # a delta too small for the method
            return None

    def noise_of_mean(self, opened: Sum) -> float | None:
        """Standard deviation of the noise in each value of a mean, model units; None without."""
        if self._noise is None or self._codec is None:
            return None
        steps = self._noise.standard_deviation(self._codec) * math.sqrt(opened.num_addends)
        return steps / self._codec.scale / opened.weight

    def colluding(self, spending: Spending) -> float | None:
        """Epsilon against the server and all but the noise's honest contributors."""
        if self._noise is None or self._codec is None:
            return None
        cost = self._noise.round_cost(self._codec)
        return self._noise.epsilon_of(cost * max(spending.num_sent.values(), default=0))
