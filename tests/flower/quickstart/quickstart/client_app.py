"""quickstart: A Flower / NumPy app."""

from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from quickstart.task import evaluate_model, load_data, train_model

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    """Train the model on local data."""
    images, labels = load_data(context.node_config["partition-id"])
    model = train_model(message.content["arrays"].to_numpy_ndarrays(), images, labels)
    metrics = {"num-examples": len(images), "train_accuracy": evaluate_model(model, images, labels)}
    content = RecordDict({"arrays": ArrayRecord(model), "metrics": MetricRecord(metrics)})
    return Message(content=content, reply_to=message)


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    """Evaluate the model on local data."""
    images, labels = load_data(context.node_config["partition-id"])
    accuracy = evaluate_model(message.content["arrays"].to_numpy_ndarrays(), images, labels)
    metrics = MetricRecord({"num-examples": len(images), "accuracy": accuracy})
    return Message(content=RecordDict({"metrics": metrics}), reply_to=message)
