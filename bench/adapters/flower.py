"""Flower's own ways to average: in the clear, and by SecAgg+ in its legacy workflow."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.client.mod import secaggplus_mod
from flwr.common import Code, FitRes, Status, ndarrays_to_parameters
from flwr.compat.common import recorddict_compat as compat
from flwr.server import LegacyContext, SimpleClientManager
from flwr.server.client_proxy import ClientProxy
from flwr.server.strategy import FedAvg as LegacyFedAvg
from flwr.server.workflow import SecAggPlusWorkflow
from flwr.server.workflow.constant import MAIN_CONFIGS_RECORD, MAIN_PARAMS_RECORD, Key
from flwr.serverapp.strategy import FedAvg, Strategy

from bench.adapters.flower_grid import App, LocalGrid, new_context
from bench.clock import Account, Clock
from bench.workload import CLIP, VALUE_BITS, Pipeline, make_update


class Clients(Pipeline):
    """Nodes whose training gives the model a change, each another one; none of it is timed."""

    packages: ClassVar[tuple[str, ...]] = ("flwr", "numpy")

    def __init__(self, key_bits: int, num_threads: int) -> None:
        self._clock = Clock()

    def change(self, dim: int, index: int) -> Any:
        """What training at one client does to the model, which starts at 0."""
        with self._clock.pause():
            return np.roll(make_update(dim), index)

    def training(self, dim: int, index: int) -> App:
        """An ordinary app of the current API."""

        def app(message: Message, context: Context) -> Message:
            arrays = message.content["arrays"]
            with self._clock.pause():
                model = arrays.to_numpy_ndarrays()[0] + self.change(dim, index)
                content = RecordDict(
                    {
                        "arrays": ArrayRecord(dict(zip(arrays, [Array(model)], strict=True))),
                        "metrics": MetricRecord({"num-examples": 1}),
                    }
                )
            return Message(content, reply_to=message)

        return app

    def answer(
        self, grid: LocalGrid, server: Account, mean: Any, dim: int, num_clients: int, **facts: Any
    ) -> dict[str, Any]:
        """What the parent process asked for."""
        expected = sum(np.roll(make_update(dim), i).astype(np.float64) for i in range(num_clients))
        nodes = [vars(account) for account in grid.accounts.values()]
        holders = [{"accounts": nodes[num_clients:]}] if len(nodes) > num_clients else []
        return {
            "client": [{"accounts": nodes[:num_clients]}],
            "server": [{"accounts": [vars(server)]}],
            "holder": holders,
            "max_error": float(np.abs(mean - expected / num_clients).max()),
            "facts": facts,
        }


def all_of(num_clients: int) -> FedAvg:
    """The strategy that asks everybody to train, and nobody to evaluate."""
    return FedAvg(
        fraction_evaluate=0.0,
        min_train_nodes=num_clients,
        min_available_nodes=num_clients,
        min_evaluate_nodes=0,
    )


def one_round(grid: LocalGrid, strategy: Strategy, dim: int) -> Any:
    """The model after one round of a strategy, from a model of zeros."""
    initial = ArrayRecord([np.zeros(dim, np.float32)])
    results = []
    grid.run_server(lambda: results.append(strategy.start(grid, initial, num_rounds=1)))
    [mean] = results[0].arrays.to_numpy_ndarrays()
    return mean


class Plain(Clients):
    """FedAvg of the current API: the server sees every model."""

    def round(self, dim: int, num_clients: int, num_shares: int = 0) -> dict[str, Any]:
        server = Account()
        apps = [self.training(dim, i) for i in range(num_clients)]
        grid = LocalGrid(apps, self._clock, server, lambda kind: ("answer", "average"))
        mean = one_round(grid, all_of(num_clients), dim)
        return self.answer(grid, server, mean, dim, num_clients)


class SecAggPlus(Clients):
    """Its legacy workflow and client mod, with nobody dropping out."""

    PHASES = (
        ("make keys", "pass keys on"),
        ("share keys", "pass shares on"),
        ("quantise, mask", "add"),
        ("give shares", "remove masks"),
    )

    def round(self, dim: int, num_clients: int, num_shares: int = 0) -> dict[str, Any]:
        """``num_shares``: a client and those that it shares masks with."""
        server, num_shares = Account(), min(num_shares, num_clients)
        apps = [self._app(dim, i) for i in range(num_clients)]
        exchanges = iter(self.PHASES)
        grid = LocalGrid(apps, self._clock, server, lambda kind: next(exchanges))
        threshold = num_shares // 2 + 1
        workflow = SecAggPlusWorkflow(
            num_shares,
            threshold,
            max_weight=1.0,
            clipping_range=CLIP,
            quantization_range=1 << VALUE_BITS,
        )
        context = self._server_context(dim, num_clients)
        grid.run_server(lambda: workflow(grid, context))
        record = context.state.array_records[MAIN_PARAMS_RECORD]
        [mean] = record.to_numpy_ndarrays()
        facts = {"num_shares": num_shares, "threshold": threshold}
        return self.answer(grid, server, mean, dim, num_clients, **facts)

    def _server_context(self, dim: int, num_clients: int) -> LegacyContext:
        manager = SimpleClientManager()
        for node in range(1, num_clients + 1):
            manager.register(_Proxy(node))
        strategy = LegacyFedAvg(
            min_fit_clients=num_clients,
            min_available_clients=num_clients,
            fit_metrics_aggregation_fn=lambda metrics: {},
        )
        context = LegacyContext(new_context(0), strategy=strategy, client_manager=manager)
        context.state.config_records[MAIN_CONFIGS_RECORD] = ConfigRecord({Key.CURRENT_ROUND: 1})
        context.state.array_records[MAIN_PARAMS_RECORD] = compat.parameters_to_arrayrecord(
            ndarrays_to_parameters([np.zeros(dim, np.float32)]), keep_input=False
        )
        return context

    def _app(self, dim: int, index: int) -> App:
        def train(message: Message, context: Context) -> Message:
            parameters = ndarrays_to_parameters([self.change(dim, index)])
            result = FitRes(Status(Code.OK, ""), parameters, 1, {})
            return Message(compat.fitres_to_recorddict(result, keep_input=False), reply_to=message)

        return lambda message, context: secaggplus_mod(message, context, train)


class _Proxy(ClientProxy):
    """The workflow asks a proxy for nothing but its number."""

    def __init__(self, node: int) -> None:
        super().__init__(str(node))
        self.node_id = node


_Proxy.__abstractmethods__ = frozenset()
