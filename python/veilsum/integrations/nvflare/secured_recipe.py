"""What makes a FedAvg recipe of NVFlare an encrypted one, with real parties or throw-away ones."""

import logging
import secrets
import shutil
import tempfile
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from nvflare.apis.dxo import DataKind
from nvflare.app_common.app_constant import AppConstants
from nvflare.client.config import TransferType
from nvflare.recipe import SimEnv
from nvflare.recipe.fedavg import FedAvgRecipe
from nvflare.recipe.spec import ExecEnv

from veilsum import arguments
from veilsum.errors import InvalidArgumentError
from veilsum.integrations.federation_file import agreed_in, read_signed
from veilsum.integrations.model_vector import ModelVector
from veilsum.integrations.nvflare.aggregator import SecureAggregator
from veilsum.integrations.nvflare.party_filter import PartyFilter
from veilsum.integrations.nvflare.train_script import call_by_place_in_job
from veilsum.integrations.simulation import Simulation
from veilsum.integrations.summed_metrics import DEFAULT_SHARE, MetricRanges
from veilsum.secure_sum.simulated_parties import SimulatedParties

__all__ = ["SecuredRecipe"]

_log = logging.getLogger(__name__)

_OWN = ("aggregator_data_kind", "params_transfer_type")
_HASH_TO_COME = "0" * 64


class SecuredRecipe(FedAvgRecipe):
    """For the first place among the bases of a recipe; the second is NVFlare's own of a library.

    Args:
        aggregator: the server's part.
        party: the party's folder at a site, as for ``PartyFilter``.
        passphrase_file: as for ``PartyFilter``.
        max_samples: as for ``PartyFilter``.
        min_samples: as for ``PartyFilter``.
        metrics: in a simulation, as for ``PartyFilter``; else the aggregator's count.
        metrics_share: in a simulation, as for ``PartyFilter``; else the aggregator's counts.
        metrics_in_clear: as for ``PartyFilter``.
        leave_out: in a simulation, as for ``ModelVector``; else the aggregator's counts.
        num_threads: as for ``PartyFilter``.
        simulation: throw-away parties, in NVFlare's simulator only, instead of ``aggregator`` and
            ``party``: True, or what they agree on. They protect nothing, and are gone at the end.
        **recipe: all else that NVFlare's recipe takes.

    Raises:
        TypeError, InvalidArgumentError: an argument of another type, out of range, or that this
            recipe sets by itself.
    """

    def __init__(
        self,
        *,
        aggregator: SecureAggregator | None = None,
        party: str | None = None,
        passphrase_file: str | None = None,
        max_samples: int | None = None,
        min_samples: int = 1,
        metrics: MetricRanges | None = None,
        metrics_share: float | None = None,
        metrics_in_clear: Sequence[str] = (),
        leave_out: Sequence[str] = (),
        num_threads: int | None = None,
        simulation: bool | Simulation = False,
        **recipe: Any,
    ) -> None:
        for name in _OWN:
            if name in recipe:
                raise InvalidArgumentError(f"{name} is what this recipe sets: leave it out")
        arguments.instance("simulation", simulation, (bool, Simulation))
        self._simulated: _SimulatedFolder | None = None
        if simulation:
            if (aggregator, party, passphrase_file) != (None, None, None):
                raise InvalidArgumentError(
                    "a simulation has parties of its own: give simulation, or aggregator and party"
                )
            agreed = Simulation() if simulation is True else simulation
            share = DEFAULT_SHARE if metrics_share is None else metrics_share
            self._simulated = _SimulatedFolder(agreed, leave_out, metrics, share)
            aggregator, party = self._simulated.aggregator, self._simulated.party
            passphrase_file = aggregator.passphrase_file
        elif aggregator is None or party is None:
            raise InvalidArgumentError(
                "give aggregator and party, or simulation=True to try it with throw-away parties"
            )
        else:
            own = {"leave_out": leave_out, "metrics": metrics, "metrics_share": metrics_share}
            for name, value in own.items():
                if value:
                    raise InvalidArgumentError(f"{name} is the aggregator's: give it there")
        arguments.instance("aggregator", aggregator, SecureAggregator)
        self._filter = PartyFilter(
            party,
            passphrase_file=passphrase_file,
            max_samples=max_samples,
            min_samples=min_samples,
            metrics=aggregator.metrics,
            metrics_share=aggregator.metrics_share,
            metrics_in_clear=metrics_in_clear,
            leave_out=aggregator.leave_out,
            num_threads=num_threads,
        )
        self._is_final = False
        super().__init__(
            aggregator=aggregator,
            aggregator_data_kind=DataKind.WEIGHT_DIFF,
            params_transfer_type=TransferType.DIFF,
            **recipe,
        )

    @staticmethod
    @abstractmethod
    def entries(model: Any) -> Mapping[str, NDArray[Any]]:
        """The model as it is sent, arrays by name.

        Raises:
            InvalidArgumentError: it is no model, but says where the server finds one.
        """

    def finalize(self) -> None:
        """Before a job is exported or run: the party, after all filters that others added."""
        super().finalize()
        if not self._is_final:
            self._is_final = True
            call_by_place_in_job(self._job)
            self.add_client_output_filter(self._filter, tasks=[AppConstants.TASK_TRAIN])

    def process_env(self, env: ExecEnv) -> None:
        """Deal for the sites of a simulation.

        Raises:
            InvalidArgumentError: a simulation is to run elsewhere than in the simulator.
        """
        super().process_env(env)
        if self._simulated is not None:
            if not isinstance(env, SimEnv):
                raise InvalidArgumentError(
                    "simulation=True is for NVFlare's simulator (SimEnv). Everywhere else sites "
                    "have parties of their own: give aggregator and party"
                )
            sites = env.clients or [f"site-{1 + i}" for i in range(env.num_clients)]
            spread = (self._filter.max_samples or 1) / self._filter.min_samples
            self._simulated.make(sites, self.entries(self.model), spread)

    def run(self, *args: Any, **options: Any) -> Any:
        """As NVFlare's; a simulation's parties are gone when it returns."""
        try:
            return super().run(*args, **options)
        finally:
            if self._simulated is not None:
                self._simulated.remove()

    def export(self, *args: Any, **options: Any) -> None:
        """As NVFlare's.

        Raises:
            InvalidArgumentError: of a simulation, whose parties no other machine has.
        """
        if self._simulated is not None:
            raise InvalidArgumentError(
                "a simulation is not exported: its parties end with it. Give aggregator and party"
            )
        super().export(*args, **options)


class _SimulatedFolder:
    """Where a simulation's parties will be, which is known before who they are.

    A process that is killed leaves the folder in the temporary directory.
    """

    def __init__(
        self,
        simulation: Simulation,
        leave_out: Sequence[str],
        metrics: MetricRanges | None,
        metrics_share: float,
    ) -> None:
        self._simulation = simulation
        # Nobody can have put anything there: the folder appears whole, or not at all.
        self._path = Path(tempfile.gettempdir()) / f"veilsum-simulation-{secrets.token_hex(8)}"
        self.party = str(self._path / "{site}")
        parties = SimulatedParties.planned(self._path)
        self.aggregator = SecureAggregator(
            federation=str(parties.federation_file),
            federation_hash=_HASH_TO_COME,
            store=str(self._path / "rounds"),
            identity=str(parties.identity_file),
            passphrase_file=str(parties.key_file),
            leave_out=leave_out,
            metrics=metrics,
            metrics_share=metrics_share,
        )

    def make(self, sites: Sequence[str], model: Mapping[str, NDArray[Any]], spread: float) -> None:
        _log.warning(
            "SIMULATION: %d throw-away parties under a key that this machine makes and knows. "
            "Nothing is private; real parties join a federation that a dealer dealt",
            len(sites),
        )
        agreed, leave_out = self._simulation, self.aggregator.leave_out
        parties = SimulatedParties.make(
            self._path,
            len(sites),
            names=sites,
            dim=ModelVector(model, leave_out=leave_out).dim + len(self.aggregator.metrics),
            clip=agreed.clip,
            value_bits=agreed.value_bits,
            weight_spread=max(agreed.weight_spread, spread),
            key_bits=agreed.key_bits,
        )
        # NVFlare writes the job from these attributes, after this.
        federation = agreed_in(read_signed(parties.federation_file), expected_hash=None)
        self.aggregator.federation_hash = f"sha256:{federation.hash.hex()}"

    def remove(self) -> None:
        shutil.rmtree(self._path, ignore_errors=True)
