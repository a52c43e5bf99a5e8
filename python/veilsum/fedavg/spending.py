"""What a run has cost its clients in privacy, in both of the columns that are shown."""

from collections.abc import Iterable

from veilsum.codec import LaneCodec
from veilsum.privacy import Noise

__all__ = ["Spending"]


class Spending:
    """Adds up costs by client; the client that spent most is what counts."""

    def __init__(self, noise: Noise | None, codec: LaneCodec | None) -> None:
        self._noise = noise
        self._codec = codec
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
        if self._noise is not None and self._codec is not None and names:
            cost = self._noise.round_cost(self._codec, honest_contributors=len(names))
            for name in names:
                self._honest_server[name] = self._honest_server.get(name, 0.0) + cost

    @property
    def honest_server(self) -> float | None:
        """Epsilon against whoever sees the models and nothing else; None without noise."""
        return self._epsilon(self._honest_server)

    @property
    def colluding(self) -> float | None:
        """Epsilon against the server and all but the noise's honest contributors."""
        return self._epsilon(self._colluding)

    def _epsilon(self, costs: dict[str, float]) -> float | None:
        if self._noise is None:
            return None
        return self._noise.epsilon_of(max(costs.values(), default=0.0))
