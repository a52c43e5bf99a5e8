"""Federated averaging with secure sums: the round loop in one process.

    >>> import veilsum as vs
    >>> codec = vs.Codec(dim, clip=1.0, value_bits=16, max_addends=10)  # doctest: +SKIP
    >>> loop = vs.FedAvg(model, clients, codec=codec, evaluate=accuracy)  # doctest: +SKIP
    >>> history = loop.run(10)  # doctest: +SKIP

The algorithm is that of B. McMahan et al., "Communication-Efficient Learning of Deep Networks from
Decentralized Data", 2017, https://arxiv.org/abs/1602.05629.
"""

from veilsum.fedavg.clients import Client
from veilsum.fedavg.history import History, RoundRecord
from veilsum.fedavg.loop import FedAvg
from veilsum.fedavg.parameters import Model
from veilsum.fedavg.settings import Trust

__all__ = ["Client", "FedAvg", "History", "Model", "RoundRecord", "Trust"]
