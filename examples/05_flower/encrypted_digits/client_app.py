"""The client: an ordinary ClientApp but for its class."""

from __future__ import annotations

from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from veilsum.integrations.flower import SecureClientApp

from encrypted_digits import task

app = SecureClientApp(max_examples=600, min_examples=20, metrics=task.METRICS)


@app.train()
def train(message: Message, context: Context) -> Message:
    """Measure the received model on this node's images, then train it on them."""
    partition = int(context.node_config["partition-id"])
    images, labels = task.train_data(partition, int(context.node_config["num-partitions"]))
    received = message.content["arrays"].to_numpy_ndarrays()
    measured = task.measure(received, images, labels)
    content = {
        "arrays": ArrayRecord(task.train(received, images, labels)),
        "metrics": MetricRecord({"num-examples": len(images), **measured}),
    }
    return Message(RecordDict(content), reply_to=message)
