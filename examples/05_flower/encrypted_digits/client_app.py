"""The client: an ordinary ClientApp but for its class."""

from __future__ import annotations

from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from veilsum.integrations.flower import SecureClientApp

from encrypted_digits import task

app = SecureClientApp(max_examples=600, min_examples=20)


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
