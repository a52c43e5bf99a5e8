"""NVFlare's FedAvg recipe for PyTorch, with encrypted updates; for tests only."""

import sys
from pathlib import Path

from cnn import Network
from nvflare.recipe import SimEnv
from veilsum.integrations.nvflare import SecureAggregator
from veilsum.integrations.nvflare.torch_recipe import SecureFedAvgRecipe

folder = Path(sys.argv[1])
recipe = SecureFedAvgRecipe(
    name="digits",
    model=Network(),
    min_clients=4,
    num_rounds=2,
    train_script=str(Path(__file__).with_name("train_cnn.py")),
    aggregator=SecureAggregator(
        federation=str(folder / "federation.veil"),
        federation_hash=(folder / "federation.hash").read_text().strip(),
        store=str(folder / "rounds"),
        identity=str(folder / "server.identity"),
        passphrase_file=str(folder / "passphrase"),
    ),
    party=str(folder / "parties" / "{site}"),
    passphrase_file=str(folder / "passphrase"),
    max_samples=150,
    min_samples=150,
)
recipe.execute(SimEnv(num_clients=4, workspace_root=str(folder / "workspace")))
