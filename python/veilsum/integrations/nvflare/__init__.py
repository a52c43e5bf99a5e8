"""NVFlare (2.9 and newer): FedAvg jobs whose server sees sums only.

    >>> from veilsum.integrations.nvflare import PartyFilter, SecureAggregator

``SecureAggregator`` is the aggregator of a FedAvg recipe, ``PartyFilter`` the sites' output filter.
Promises, limits and a job as a diff: docs/nvflare.md.
"""

from veilsum.errors import MissingExtraError

try:
    import nvflare.apis  # noqa: F401
except ImportError:
    raise MissingExtraError(
        "veilsum.integrations.nvflare needs NVFlare: pip install 'veilsum[nvflare]'"
    ) from None

from veilsum.integrations.nvflare.aggregator import SecureAggregator
from veilsum.integrations.nvflare.job_files import keep_out_of_jobs
from veilsum.integrations.nvflare.noise_filter import NoiseFilter
from veilsum.integrations.nvflare.party_filter import PartyFilter
from veilsum.integrations.nvflare.recipes import add_noise_filter, add_party_filter

__all__ = ["NoiseFilter", "PartyFilter", "SecureAggregator", "add_noise_filter", "add_party_filter"]

keep_out_of_jobs()
