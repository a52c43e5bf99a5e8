"""The client: an ordinary ClientApp."""

from __future__ import annotations

from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from encrypted_digits import task

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    """Train the received model on this node's images."""
    partition = int(context.node_config["partition-id"])
    images, labels = task.train_data(partition, int(context.node_config["num-partitions"]))
    model = task.train(message.content["arrays"].to_numpy_ndarrays(), images, labels)
    content = {
        "arrays": ArrayRecord(model),
        "metrics": MetricRecord({"num-examples": len(images)}),
    }
    return Message(RecordDict(content), reply_to=message)
