"""NVFlare's FedAvg recipe for PyTorch, with encrypted updates; for tests only."""

import sys
from pathlib import Path

from cnn import Network
from nvflare.apis.dxo import DataKind
from nvflare.app_opt.pt.recipes.fedavg import FedAvgRecipe
from nvflare.client.config import TransferType
from nvflare.recipe import SimEnv
from veilsum.integrations.nvflare import SecureAggregator, add_party_filter

folder = Path(sys.argv[1])
recipe = FedAvgRecipe(
    name="digits",
    model=Network(),
    min_clients=4,
    num_rounds=2,
    train_script=str(Path(__file__).with_name("train_cnn.py")),
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
parties, passphrase = folder / "parties" / "{site}", folder / "passphrase"
add_party_filter(
    recipe, str(parties), passphrase_file=str(passphrase), max_samples=150, min_samples=150
)
recipe.execute(SimEnv(num_clients=4, workspace_root=str(folder / "workspace")))
