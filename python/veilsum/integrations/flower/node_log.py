"""What veilsum tells at a node, shown in the node's log beside Flower's own."""

import logging

__all__ = ["show_in_node_log"]


def show_in_node_log() -> None:
    """Have messages of veilsum's loggers, from INFO up, in the log of this process.

    For processes of nodes only: a contributor tells its node what must not reach the server, such
    as how much of an update was clipped.
    """
    logger = logging.getLogger("veilsum")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)
    for handler in logging.getLogger("flwr").handlers:
        if handler not in logger.handlers:
            logger.addHandler(handler)
