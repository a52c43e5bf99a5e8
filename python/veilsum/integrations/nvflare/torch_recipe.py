"""NVFlare's FedAvg recipe for PyTorch, encrypted. Importing it needs torch, as NVFlare's own."""

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray
from nvflare.app_opt.pt.recipes.fedavg import FedAvgRecipe

from veilsum.errors import InvalidArgumentError
from veilsum.integrations.nvflare.secured_recipe import SecuredRecipe

__all__ = ["SecureFedAvgRecipe"]


class SecureFedAvgRecipe(SecuredRecipe, FedAvgRecipe):
    """``FedAvgRecipe`` whose server sees sums only; arguments as for ``SecuredRecipe``."""

    @staticmethod
    def entries(model: Any) -> Mapping[str, NDArray[Any]]:
        """The state of the module, as NVFlare sends it: an array for each of its names."""
        if not hasattr(model, "state_dict"):
            raise InvalidArgumentError("a simulation needs the model itself: a torch.nn.Module")
        return {name: value.numpy(force=True) for name, value in model.state_dict().items()}
