"""What a run has cost its clients in privacy, in both of the columns that are shown."""

from collections.abc import Iterable

from veilsum.codec import LaneCodec
from veilsum.errors import InvalidArgumentError
from veilsum.privacy import FixedSizeSampling, Noise, accounting_available, pld_epsilon

__all__ = ["Spending"]


class Spending:
    """Adds up costs by client; the client that spent most is what counts.

    ``sampling`` is how clients are chosen, if that is secret: then every client spends alike.
    """

    def __init__(
        self,
        noise: Noise | None,
        codec: LaneCodec | None,
        sampling: FixedSizeSampling | None = None,
    ) -> None:
        self._noise = noise
        self._codec = codec
        self._sampling = sampling
        self._num_opened = 0
        self._honest_server: dict[str, float] = {}
        self._colluding: dict[str, float] = {}

    def sent(self, name: str) -> None:
        """A client sent a contribution, whether or not its round is opened."""
        if self._noise is not None and self._codec is not None:
            cost = self._noise.round_cost(self._codec)
            self._colluding[name] = self._colluding.get(name, 0.0) + cost

    def opened(self, names: Iterable[str]) -> None:
        """A sum of exactly these clients' contributions was opened."""
        names = list(names)
        self._num_opened += 1
        if self._sampling is not None and len(names) != self._sampling.sample_size:
            self.incomplete()
        if self._noise is not None and self._codec is not None and names:
            cost = self._noise.round_cost(self._codec, honest_contributors=len(names))
            for name in names:
                self._honest_server[name] = self._honest_server.get(name, 0.0) + cost

    def incomplete(self) -> None:
        """A client that was asked is in no sum, so the sums no longer are of a plain sample."""
        self._sampling = None

    @property
    def honest_server(self) -> float | None:
        """Epsilon against whoever sees the models and nothing else; None without noise."""
        return self._epsilon(self._honest_server)

    @property
    def honest_server_sampled(self) -> float | None:
        """The same against whoever does not know who took part either.

        None where nothing is proved, or without the extra ``accounting``.
        """
        if self._noise is None or self._codec is None or self._sampling is None:
            return None
        if self._num_opened == 0 or not accounting_available():
            return None
        try:
            return pld_epsilon(
                self._noise, self._codec, rounds=self._num_opened, sampling=self._sampling
            )
        except InvalidArgumentError:  # a delta too small for the method
            return None

    @property
    def colluding(self) -> float | None:
        """Epsilon against the server and all but the noise's honest contributors."""
        return self._epsilon(self._colluding)

    def _epsilon(self, costs: dict[str, float]) -> float | None:
        if self._noise is None:
            return None
        return self._noise.epsilon_of(max(costs.values(), default=0.0))
