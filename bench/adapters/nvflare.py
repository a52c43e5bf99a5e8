"""NVFlare's homomorphic encryption: its own filters and aggregator, its messages as bytes.

Every client has the secret key. NVFlare's simulator does not run it, so its parts are called here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from nvflare.apis.dxo import DXO, DataKind, MetaKey, from_shareable
from nvflare.apis.event_type import EventType
from nvflare.apis.fl_constant import ReservedKey
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable
from nvflare.app_common.app_constant import AppConstants
from nvflare.app_opt.he.homomorphic_encrypt import serialize_nested_dict
from nvflare.app_opt.he.intime_accumulate_model_aggregator import (
    HEInTimeAccumulateWeightedAggregator,
)
from nvflare.app_opt.he.model_decryptor import HEModelDecryptor
from nvflare.app_opt.he.model_encryptor import HEModelEncryptor
from nvflare.fuel.utils import fobs

from bench.adapters.tenseal import ckks_context
from bench.clock import Account, Clock
from bench.workload import Pipeline, make_update

SERIALISE = "serialise"


class Ckks(Pipeline):
    """With the parameters of NVFlare's provisioner, one thread."""

    packages = ("nvflare", "tenseal")

    def __init__(self, key_bits: int, num_threads: int) -> None:
        self._context = ckks_context(num_threads)
        self._context.generate_relin_keys()
        self._clock = Clock()

    def round(self, dim: int, num_clients: int, num_shares: int = 0) -> dict[str, Any]:
        clock, server = self._clock, Account()
        clients = [Account() for _ in range(num_clients)]
        aggregator = HEInTimeAccumulateWeightedAggregator(weigh_by_local_iter=False)
        aggregator.handle_event(EventType.START_RUN, _context("server"))
        for index, account in enumerate(clients):
            update = np.roll(make_update(dim), index)
            with clock.turn(account, "encrypt"):
                message = self._encrypted(update, f"client {index + 1}")
            account.sent += len(message)
            server.received += len(message)
            with clock.turn(server, "read, add"):
                result = fobs.loads(message)
                if not aggregator.accept(result, _context("server")):
                    raise ValueError("NVFlare's aggregator did not accept a contribution")
        with clock.turn(server, SERIALISE):
            total = from_shareable(aggregator.aggregate(_context("server")))
            total.data = serialize_nested_dict(total.data)
            answer = fobs.dumps(total.to_shareable())
        for account in clients:
            with clock.turn(account, "decrypt"):
                opened = self._decrypted(answer)
            account.received += len(answer)
            server.sent += len(answer)
        expected = sum(np.roll(make_update(dim), i).astype(np.float64) for i in range(num_clients))
        return {
            "client": [{"accounts": [vars(account) for account in clients]}],
            "server": [{"accounts": [vars(server)]}],
            "max_error": float(np.abs(opened - expected / num_clients).max()),
            "facts": {},
        }

    def _encrypted(self, update: Any, name: str) -> Any:
        encryptor = HEModelEncryptor()
        encryptor.tenseal_context, encryptor.encrypt_layers = self._context, [True]
        meta = {MetaKey.NUM_STEPS_CURRENT_ROUND: 1}
        dxo = DXO(DataKind.WEIGHT_DIFF, {"model": update}, meta)
        result = encryptor.process_dxo(dxo, Shareable(), _context(name)).to_shareable()
        result.set_peer_props({ReservedKey.IDENTITY_NAME: name})
        result.add_cookie(AppConstants.CONTRIBUTION_ROUND, 1)
        return fobs.dumps(result)

    def _decrypted(self, answer: Any) -> Any:
        decryptor = HEModelDecryptor()
        decryptor.tenseal_context = self._context
        task = fobs.loads(answer)
        dxo = decryptor.process_dxo(from_shareable(task), task, _context("a client"))
        return np.asarray(dxo.data["model"])


def _context(name: str) -> FLContext:
    context, peer = FLContext(), FLContext()
    peer.set_prop(ReservedKey.IDENTITY_NAME, name)
    context.set_peer_context(peer)
    context.set_prop(AppConstants.CURRENT_ROUND, 1)
    return context
