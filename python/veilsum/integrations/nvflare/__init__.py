"""NVFlare (2.9 and newer): FedAvg jobs whose server sees sums only.

    >>> from veilsum.integrations.nvflare import SecureAggregator, SecureNumpyFedAvgRecipe

``SecureNumpyFedAvgRecipe`` is NVFlare's recipe for numpy whose server sees sums only; the one for
PyTorch is ``torch_recipe.SecureFedAvgRecipe``. They are made of two parts, for jobs of other
making: ``SecureAggregator``, the aggregator, and ``PartyFilter``, the sites' output filter.
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
from veilsum.integrations.nvflare.numpy_recipe import SecureNumpyFedAvgRecipe
from veilsum.integrations.nvflare.party_filter import PartyFilter
from veilsum.integrations.nvflare.recipes import add_noise_filter, add_party_filter
from veilsum.integrations.simulation import Simulation

__all__ = [
    "NoiseFilter",
    "PartyFilter",
    "SecureAggregator",
    "SecureNumpyFedAvgRecipe",
    "Simulation",
    "add_noise_filter",
    "add_party_filter",
]

keep_out_of_jobs()
