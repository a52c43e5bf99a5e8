"""quickstart: A Flower / NumPy app."""

import numpy as np
from flwr.app import ArrayRecord, Context
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

from quickstart.task import initial_model

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Main entry point for the ServerApp."""
    num_rounds: int = context.run_config["num-server-rounds"]
    arrays = ArrayRecord(initial_model())

    strategy = FedAvg(min_train_nodes=4, min_available_nodes=4)

    result = strategy.start(grid=grid, initial_arrays=arrays, num_rounds=num_rounds)

    np.savez("final_model.npz", *result.arrays.to_numpy_ndarrays())
