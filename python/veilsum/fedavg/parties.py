"""The parties of a federation, all in this process: who holds which key, codec and ledger."""

from collections.abc import Callable, Sequence
from typing import Literal, get_args

from veilsum.errors import InvalidArgumentError
from veilsum.fedavg.founding import DealtKey, Founded, found
from veilsum.fedavg.history import Meter
from veilsum.fedavg.parameters import Model
from veilsum.fedavg.sums import (
    ClearFloatSum,
    ClearIntegerSum,
    EncryptedSum,
    RoundSum,
    clear_round_id,
)
from veilsum.keys import SecretKey
from veilsum.privacy import Ledger, Noise
from veilsum.secure_sum import Aggregator, RoundDescriptor, hash_model
from veilsum.vector import Codec

__all__ = ["Parties", "Trust"]

Trust = Literal["threshold", "authority", "shared", "clear"]


class Parties:
    """Makes each round's sum. Contributors keep their ledgers and last rounds from one to the next.

    Arguments as ``FedAvg`` has them; ``dim`` is the number of values of the model and
    ``num_per_round`` the number of clients asked.
    """

    def __init__(
        self,
        names: Sequence[str],
        *,
        dim: int,
        num_per_round: int,
        trust: Trust,
        codec: Codec | None,
        noise: Noise | None,
        key: SecretKey | DealtKey | None,
        key_bits: int,
        min_contributors: int | None,
        ledger_for: Callable[[str], Ledger] | None,
        num_threads: int | None,
    ) -> None:
        if trust not in get_args(Trust):
            raise InvalidArgumentError(
                f"trust is {trust!r}; it must be 'threshold', 'authority', 'shared' or 'clear'"
            )
        if codec is None and (trust != "clear" or noise is not None):
            raise InvalidArgumentError(
                "encryption and noise need a codec, such as "
                f"veilsum.Codec({dim}, clip=1.0, value_bits=16, max_addends={num_per_round}); "
                "clip is the largest change of a value in one round"
            )
        if codec is not None:
            codec = _checked(codec if noise is None else noise.fit(codec), dim, num_per_round)
        self.codec = codec
        self._dim = dim
        self._noise = noise
        self._num_threads = num_threads
        self._ledgers: dict[str, Ledger] = {}
        if noise is not None:
            make = ledger_for or _in_memory(noise)
            self._ledgers = {name: make(name) for name in names}
        fewest = 1 if trust == "clear" else 2  # A sum of one hides nothing.
        if noise is not None:
            fewest = max(fewest, noise.honest_contributors)
        if min_contributors is None:
            min_contributors = fewest
        if not fewest <= min_contributors <= num_per_round:
            raise InvalidArgumentError(
                f"min_contributors is {min_contributors}; {num_per_round} clients are asked each "
                f"round, the noise assumes {noise.honest_contributors if noise else 0} honest ones,"
                " and of fewer than 2 no encrypted sum is opened"
            )
        self._min_contributors = min_contributors
        self._founded: Founded | None = None
        if trust != "clear" and codec is not None:
            self._founded = found(
                names,
                trust=trust,
                key=key,
                key_bits=key_bits,
                codec=codec,
                noise=noise,
                min_contributors=min_contributors,
                ledgers=self._ledgers,
            )

    def round_sum(
        self, run_id: bytes, round_number: int, *, model: Model, invited: list[str], meter: Meter
    ) -> RoundSum:
        """An empty sum for the clients of one round."""
        if self.codec is None:
            return ClearFloatSum(self._dim, meter=meter)
        if self._founded is None:
            return ClearIntegerSum(
                self.codec,
                noise=self._noise,
                ledgers=self._ledgers,
                round_id=clear_round_id(run_id, round_number),
                min_contributors=self._min_contributors,
                meter=meter,
                num_threads=self._num_threads,
            )
        founded, model_hash = self._founded, hash_model(model)
        descriptor = RoundDescriptor(
            federation_hash=founded.federation.hash,
            run_id=run_id,
            round_number=round_number,
            model_hash=model_hash,
            invited=tuple(invited),
        )
        return EncryptedSum(
            Aggregator(founded.federation, descriptor, num_threads=self._num_threads),
            descriptor=descriptor.to_bytes(),
            contributors={name: founded.contributors[name] for name in invited},
            model_hash=model_hash,
            holders=founded.holders,
            num_openers=len(invited) if founded.federation.trust == "shared" else 1,
            meter=meter,
            num_threads=self._num_threads,
        )


def _checked(codec: Codec, dim: int, num_per_round: int) -> Codec:
    if codec.dim != dim:
        raise InvalidArgumentError(f"the codec is for {codec.dim} values; the model has {dim}")
    if codec.max_addends < num_per_round:
        raise InvalidArgumentError(
            f"the codec has room for {codec.max_addends} addends, and {num_per_round} clients are "
            f"asked each round; make it with max_addends={num_per_round}"
        )
    return codec


def _in_memory(noise: Noise) -> Callable[[str], Ledger]:
    return lambda name: Ledger.in_memory(epsilon=noise.epsilon, delta=noise.delta)
