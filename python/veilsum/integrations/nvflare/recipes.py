"""Putting the parties into a job that NVFlare's recipes make."""

from collections.abc import Sequence

from nvflare.recipe.spec import Recipe

from veilsum import arguments
from veilsum.integrations.nvflare.model_keeper import ModelKeeper
from veilsum.integrations.nvflare.noise_filter import NoiseFilter
from veilsum.integrations.nvflare.party_filter import PartyFilter
from veilsum.integrations.summed_metrics import DEFAULT_SHARE, MetricRanges
from veilsum.privacy import Adjacency

__all__ = ["add_noise_filter", "add_party_filter"]


def add_party_filter(
    recipe: Recipe,
    party: str,
    *,
    passphrase_file: str | None = None,
    max_samples: int | None = None,
    min_samples: int = 1,
    metrics: MetricRanges | None = None,
    metrics_share: float = DEFAULT_SHARE,
    metrics_in_clear: Sequence[str] = (),
    leave_out: Sequence[str] = (),
    num_threads: int | None = None,
    tasks: Sequence[str] = ("train",),
) -> None:
    """Let every site of a FedAvg recipe encrypt what it sends; arguments as for ``PartyFilter``.

    The job names veilsum and does not carry it: what runs at a site is what the site installed.

    Args:
        recipe: whose ``aggregator`` is a ``SecureAggregator``.
        party: the party's folder at a site.
        passphrase_file: where its passphrase is.
        max_samples: the number of samples that has weight 1.
        min_samples: the fewest that a site may have trained on, but for none.
        metrics: that are summed under encryption, each with its range, as at the aggregator.
        metrics_share: of the federation's norm bound, for them.
        metrics_in_clear: names of those that leave unencrypted.
        leave_out: entries of the model that are not summed.
        num_threads: of encryption.
        tasks: whose results are encrypted.
    """
    recipe.add_client_output_filter(
        PartyFilter(
            party,
            passphrase_file=passphrase_file,
            max_samples=max_samples,
            min_samples=min_samples,
            metrics=metrics,
            metrics_share=metrics_share,
            metrics_in_clear=metrics_in_clear,
            leave_out=leave_out,
            num_threads=num_threads,
        ),
        tasks=arguments.names("tasks", tasks),
    )


def add_noise_filter(
    recipe: Recipe,
    ledger: str | None = None,
    *,
    epsilon: float,
    delta: float,
    rounds: int,
    norm_bound: float,
    clip: float | None = None,
    value_bits: int = 16,
    adjacency: Adjacency = "zero-out",
    leave_out: Sequence[str] = (),
    num_threads: int | None = None,
    simulation: bool = False,
    tasks: Sequence[str] = ("train",),
) -> None:
    """Let every site of a FedAvg recipe add exact noise to what it sends, without encryption.

    Arguments as for ``NoiseFilter``, which says what is promised. The server's part is
    ``ModelKeeper``: a round in which no site sends anything ends the job and leaves the model.

    Args:
        recipe: of NVFlare's FedAvg, with its own mean.
        ledger: the file of a site's privacy ledger.
        epsilon: of all rounds together.
        delta: 0 for Laplace noise.
        rounds: how many updates a site may send.
        norm_bound: largest norm of an update.
        clip: largest value in an update.
        value_bits: precision of a value.
        adjacency: what is protected.
        leave_out: entries of the model that do not leave.
        num_threads: of noise.
        simulation: in the simulator, ledgers that are thrown away.
        tasks: whose results get noise.
    """
    filter_ = NoiseFilter(
        ledger,
        epsilon=epsilon,
        delta=delta,
        rounds=rounds,
        norm_bound=norm_bound,
        clip=clip,
        value_bits=value_bits,
        adjacency=adjacency,
        leave_out=leave_out,
        num_threads=num_threads,
        simulation=simulation,
    )
    recipe.add_client_output_filter(filter_, tasks=arguments.names("tasks", tasks))
    # As NVFlare's own helpers: a recipe has no other way to give its server a component.
    recipe._job.to_server(ModelKeeper(), id="veilsum_model_keeper")
