"""The server: an ordinary ServerApp whose strategy is wrapped."""

from __future__ import annotations

import numpy as np
from flwr.app import ArrayRecord, Context, MetricRecord
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg
from veilsum.integrations.flower import SecureStrategy

from encrypted_digits import task

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run all rounds, and keep the last model in ``final_model.npz``.

    The result's train_metrics_clientapp has the mean loss and accuracy on the nodes' own images, of
    the model that each round began with.
    """
    config = context.run_config
    strategy = SecureStrategy(
        FedAvg(fraction_evaluate=0.0, min_available_nodes=3, min_train_nodes=3),
        federation=str(config["federation"]),
        store=str(config["store"]),
        identity=str(config["identity"]),
        passphrase_file=str(config["passphrase-file"]),
        artefacts=str(config["artefacts"]),
        metrics=task.METRICS,
    )
    result = strategy.start(
        grid,
        ArrayRecord(task.initial_model()),
        num_rounds=int(config["num-rounds"]),
        evaluate_fn=evaluate,
    )
    np.savez("final_model.npz", *result.arrays.to_numpy_ndarrays())


def evaluate(server_round: int, arrays: ArrayRecord) -> MetricRecord:
    """How many test images the model reads rightly."""
    return MetricRecord({"accuracy": task.accuracy(arrays.to_numpy_ndarrays())})
