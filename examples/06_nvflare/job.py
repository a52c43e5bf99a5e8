"""A FedAvg job of NVFlare in its simulator, with encrypted updates.

python deal.py /tmp/digits
python job.py /tmp/digits
"""

import sys
from pathlib import Path

import numpy as np
from nvflare.apis.dxo import DataKind
from nvflare.app_common.np.recipes.fedavg import NumpyFedAvgRecipe
from nvflare.client.config import TransferType
from nvflare.recipe import SimEnv
from veilsum.integrations.nvflare import SecureAggregator, add_party_filter


def main(folder: Path, train: Path) -> None:
    here = Path.cwd()
    recipe = NumpyFedAvgRecipe(
        name="digits",
        model=np.zeros((65, 10)).tolist(),
        min_clients=4,
        num_rounds=3,
        # It goes into the job as it is written here: an absolute path would lead nowhere at a site.
        train_script=str(train.relative_to(here) if train.is_relative_to(here) else train),
        params_transfer_type=TransferType.DIFF,
        aggregator=SecureAggregator(
            federation=str(folder / "federation.veil"),
            federation_hash=(folder / "federation.hash").read_text().strip(),
            store=str(folder / "rounds"),
            identity=str(folder / "server.identity"),
            passphrase_file=str(folder / "passphrase"),
        ),
        aggregator_data_kind=DataKind.WEIGHT_DIFF,
    )
    add_party_filter(
        recipe,
        str(folder / "parties" / "{site}"),
        passphrase_file=str(folder / "passphrase"),
        max_samples=600,
        min_samples=100,
    )
    run = recipe.execute(SimEnv(num_clients=4, workspace_root=str(folder / "workspace")))
    print("The model is in", run.get_result())


if __name__ == "__main__":
    script = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).with_name("train.py")
    main(Path(sys.argv[1]).absolute(), script.absolute())
