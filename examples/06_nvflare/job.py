"""A FedAvg job of NVFlare in its simulator, with encrypted updates.

python job.py

The parties are thrown away at the end: for trying out. README.md says what stands in the place of
``simulation=True`` for sites of their own.
"""

import sys
from pathlib import Path

import numpy as np
from nvflare.recipe import SimEnv
from veilsum.integrations.nvflare import SecureNumpyFedAvgRecipe


def main(workspace: str) -> None:
    recipe = SecureNumpyFedAvgRecipe(
        name="digits",
        model=np.zeros((65, 10)).tolist(),
        min_clients=4,
        num_rounds=3,
        train_script=str(Path(__file__).with_name("train.py").absolute()),
        # Sites weigh by their samples, a number that nobody else sees.
        max_samples=600,
        min_samples=100,
        simulation=True,
    )
    run = recipe.execute(SimEnv(num_clients=4, workspace_root=workspace))
    print("The model is in", run.get_result())


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "/tmp/veilsum-nvflare")
