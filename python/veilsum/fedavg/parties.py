"""The parties of a federation, all in this process: who holds which key, codec and ledger."""

from collections.abc import Callable, Mapping, Sequence

from veilsum import arguments
from veilsum.errors import BudgetExhaustedError, InvalidArgumentError, VeilsumError
from veilsum.fedavg.company import Company
from veilsum.fedavg.history import Meter
from veilsum.fedavg.local_federation import LocalFederation, make_federation
from veilsum.fedavg.parameters import Model
from veilsum.fedavg.settings import Settings
from veilsum.fedavg.sums import (
    ClearFloatSum,
    ClearIntegerSum,
    EncryptedSum,
    RoundSum,
    clear_round_id,
)
from veilsum.privacy import Ledger, Noise
from veilsum.secure_sum import (
    Aggregator,
    Announcement,
    Invitations,
    RoundDescriptor,
    RunChain,
    hash_model,
)
from veilsum.vector import Codec

__all__ = ["Parties"]

_NO_ROUND = bytes(32)


class Parties:
    """Makes each round's sum. Contributors keep their ledgers and last rounds from one to the next.

    Args:
        names: of all clients.
        settings: of the run.
        company: keys and ledgers of this process.
        dim: number of values of the model.
        num_per_round: number of clients asked in each round.
        spread: the largest weight over the smallest.
        num_sent: contributions that each client had sent before this process went on with the run.

    Attributes:
        codec: fitted to weights and noise.
        min_contributors: fewest contributions that are opened.
    """

    def __init__(
        self,
        names: Sequence[str],
        settings: Settings,
        company: Company,
        *,
        dim: int,
        num_per_round: int,
        spread: float,
        num_sent: Mapping[str, int],
    ) -> None:
        codec, noise = settings.codec, settings.noise
        if codec is None and (settings.trust != "clear" or noise is not None):
            raise InvalidArgumentError(
                "encryption and noise need a codec, such as "
                f"veilsum.Codec({dim}, clip=1.0, value_bits=16, max_addends={num_per_round}); "
                "clip is the largest change of a value in one round"
            )
        if codec is not None:
            codec = _fitted(codec.for_weight_spread(spread), noise, dim, num_per_round)
        self.codec = codec
        self._names = tuple(names)
        self._dim = dim
        self._noise = noise
        self._num_threads = company.num_threads
        self._ledgers = _ledgers(names, noise, codec, company.ledger_for, num_sent)
        self.min_contributors = _fewest(settings, num_per_round, len(names))
        self._chain = RunChain()
        self._num_announced = 0
        self._last: EncryptedSum | None = None
        self._local: LocalFederation | None = None
        if settings.trust != "clear" and codec is not None:
            self._local = make_federation(
                names,
                settings.trust,
                settings,
                codec=codec,
                min_contributors=self.min_contributors,
                key=company.key,
                ledgers=self._ledgers,
            )

    def ledger(self, name: str) -> Ledger | None:
        """What this client records its spending in; None without noise."""
        return self._ledgers.get(name)

    def num_able(self) -> int:
        """How many of all clients have budget left for one more contribution."""
        if self._noise is None or self.codec is None:
            return len(self._names)
        able = 0
        for ledger in self._ledgers.values():
            try:
                ledger.check(_NO_ROUND, noise=self._noise, codec=self.codec)
            except VeilsumError:
                continue
            able += 1
        return able

    def round_sum(
        self,
        run_id: bytes,
        round_number: int,
        *,
        model: Model,
        invited: tuple[str, ...],
        meter: Meter,
    ) -> RoundSum:
        """An empty sum for the clients of one round. Nobody is asked yet."""
        round_id = clear_round_id(run_id, round_number)
        if self.codec is None:
            return ClearFloatSum(self._dim, round_id=round_id, meter=meter)
        if self._local is None:
            return ClearIntegerSum(
                self.codec,
                noise=self._noise,
                ledgers=self._ledgers,
                round_id=round_id,
                min_contributors=self.min_contributors,
                meter=meter,
                num_threads=self._num_threads,
            )
        if self._last is not None:
            self._last.settle()
        local, model_hash = self._local, hash_model(model)
        self._num_announced += 1  # By this federation, which a resumed run makes anew.
        invitations = Invitations.of(invited)
        descriptor = RoundDescriptor.signed(
            local.aggregator,
            federation_hash=local.federation.hash,
            round_number=self._num_announced,
            model_hash=model_hash,
            invited=invitations,
            after=self._chain.end,
            opener=invited[0] if local.federation.names_opener else None,
        )
        contributors = {name: local.contributor(name) for name in invited}
        self._last = EncryptedSum(
            Aggregator(
                local.federation,
                local.aggregator,
                descriptor,
                invited=invitations,
                chain=self._chain,
                num_threads=self._num_threads,
            ),
            announcements={
                name: Announcement.of(
                    descriptor, invitations, self._chain, to=name, seen=party.seen.number
                ).to_bytes()
                for name, party in contributors.items()
            },
            round_id=descriptor.round_id,
            contributors=contributors,
            model_hash=model_hash,
            holder=local.holder,
            chain=self._chain,
            meter=meter,
            num_threads=self._num_threads,
        )
        return self._last


def _fitted(codec: Codec, noise: Noise | None, dim: int, num_per_round: int) -> Codec:
    if codec.dim != dim:
        raise InvalidArgumentError(f"the codec is for {codec.dim} values; the model has {dim}")
    if codec.max_addends < num_per_round:
        raise InvalidArgumentError(
            f"the codec has room for {codec.max_addends} addends, and {num_per_round} clients are "
            f"asked each round; make it with max_addends={num_per_round}"
        )
    return codec if noise is None else noise.fit(codec)


def _fewest(settings: Settings, num_per_round: int, num_clients: int) -> int:
    """Fewest contributions that are opened."""
    fewest = 1 if settings.trust == "clear" else 2  # A sum of one hides nothing.
    why = "an encrypted sum of fewer is not opened"
    if settings.noise is not None and settings.noise.honest_contributors > fewest:
        fewest = settings.noise.honest_contributors
        why = f"the noise counts on {fewest} honest ones in every sum (honest_contributors)"
    if num_per_round < fewest:
        raise InvalidArgumentError(
            f"fraction={settings.fraction:g} of {num_clients} clients asks {num_per_round} each "
            f"round, and {fewest} are needed: {why}. Give a larger fraction"
        )
    wanted = fewest if settings.min_contributors is None else settings.min_contributors
    if wanted < fewest:
        raise InvalidArgumentError(f"min_contributors is {wanted}; it is at least {fewest}: {why}")
    if wanted > num_per_round:
        raise InvalidArgumentError(
            f"min_contributors is {wanted}, and fraction={settings.fraction:g} of {num_clients} "
            f"clients asks {num_per_round} each round: give a larger fraction"
        )
    return wanted


def _ledgers(
    names: Sequence[str],
    noise: Noise | None,
    codec: Codec | None,
    ledger_for: Callable[[str], Ledger] | None,
    num_sent: Mapping[str, int],
) -> dict[str, Ledger]:
    """Each client's ledger; those in memory with what a run before the process had sent."""
    if noise is None or codec is None:
        return {}
    if ledger_for is not None:
        return {
            name: arguments.instance("what ledger_for returns", ledger_for(name), Ledger)
            for name in names
        }
    ledgers = {}
    for name in names:
        ledger = ledgers[name] = Ledger.in_memory(epsilon=noise.epsilon, delta=noise.delta)
        for i in range(num_sent.get(name, 0)):
            try:
                ledger.charge(b"before %d" % i, noise=noise, codec=codec)
            except BudgetExhaustedError:  # Who was asked last counts as having sent, and had not.
                break
    return ledgers
