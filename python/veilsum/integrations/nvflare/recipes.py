"""Putting the parties into a job that NVFlare's recipes make."""

from collections.abc import Sequence

from nvflare.recipe.spec import Recipe

from veilsum import arguments
from veilsum.integrations.nvflare.party_filter import PartyFilter
from veilsum.integrations.summed_metrics import DEFAULT_SHARE, MetricRanges

__all__ = ["add_party_filter"]


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
