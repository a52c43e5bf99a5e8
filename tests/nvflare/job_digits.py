"""The example's job with the parties of a folder that ``deal`` made; for tests only.

python job_digits.py FOLDER [TRAIN_SCRIPT]
"""

import sys
from pathlib import Path

import numpy as np
import train
from nvflare.recipe import SimEnv
from veilsum.integrations.nvflare import SecureAggregator, SecureNumpyFedAvgRecipe


def recipe_of(folder, script, **options):
    """The recipe; ``options``: what is another than in the example."""
    given = {
        "name": "digits",
        "model": np.zeros((65, 10)).tolist(),
        "min_clients": 4,
        "num_rounds": 3,
        "train_script": str(script),
        "aggregator": SecureAggregator(
            federation=str(folder / "federation.veil"),
            federation_hash=(folder / "federation.hash").read_text().strip(),
            store=str(folder / "rounds"),
            identity=str(folder / "server.identity"),
            passphrase_file=str(folder / "passphrase"),
        ),
        "party": str(folder / "parties" / "{site}"),
        "passphrase_file": str(folder / "passphrase"),
        "max_samples": 600,
        "min_samples": 100,
    }
    return SecureNumpyFedAvgRecipe(**given | options)


if __name__ == "__main__":
    folder = Path(sys.argv[1]).absolute()
    script = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(train.__file__)
    recipe = recipe_of(folder, script.absolute())
    recipe.execute(SimEnv(num_clients=4, workspace_root=str(folder / "workspace")))
