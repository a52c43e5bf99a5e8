"""NVFlare's FedAvg recipe for numpy, encrypted."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from nvflare.app_common.np.constants import NPConstants
from nvflare.app_common.np.recipes.fedavg import NumpyFedAvgRecipe

from veilsum.errors import InvalidArgumentError
from veilsum.integrations.nvflare.secured_recipe import SecuredRecipe

__all__ = ["SecureNumpyFedAvgRecipe"]


class SecureNumpyFedAvgRecipe(SecuredRecipe, NumpyFedAvgRecipe):
    """``NumpyFedAvgRecipe`` whose server sees sums only; arguments as for ``SecuredRecipe``."""

    @staticmethod
    def entries(model: Any) -> Mapping[str, NDArray[Any]]:
        """The model as NVFlare's persistor for numpy makes it: one array of float32."""
        if not isinstance(model, (list, np.ndarray)):
            raise InvalidArgumentError("a simulation needs the model itself: a list or an array")
        return {NPConstants.NUMPY_KEY: np.asarray(model, np.float32)}
