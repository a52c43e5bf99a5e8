"""NVFlare's own FedAvg recipe with noise at each site, for more rounds than budgets have."""

import sys
from pathlib import Path

import numpy as np
import train
from nvflare.app_common.np.recipes.fedavg import NumpyFedAvgRecipe
from nvflare.recipe import SimEnv
from veilsum.integrations.nvflare import add_noise_filter

recipe = NumpyFedAvgRecipe(
    name="digits",
    model=np.zeros((65, 10)).tolist(),
    min_clients=4,
    num_rounds=3,
    train_script=train.__file__,
)
add_noise_filter(
    recipe, epsilon=100.0, delta=1e-6, rounds=2, norm_bound=1.0, clip=0.25, simulation=True
)
workspace = Path(sys.argv[1]) / "workspace"
recipe.execute(SimEnv(num_clients=4, workspace_root=str(workspace)))
