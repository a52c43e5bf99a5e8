"""TenSEAL's CKKS with NVFlare's parameters, without NVFlare: what its vectors cost."""

from __future__ import annotations

import time
from typing import Any

from peers.adapters.tenseal import CkksPipeline
from peers.workload import make_update

from rounds.clock import Account


class Ckks(CkksPipeline):
    def round(self, dim: int, num_clients: int) -> dict[str, Any]:
        """One client's part, and what the server does with it; all get the encrypted sum."""
        measured = self.run(make_update(dim), time.process_time)
        seconds, num_bytes = measured.seconds, measured.num_bytes
        client = Account(
            {"encrypt": seconds["encrypt"], "decrypt": seconds["decrypt"]}, num_bytes, num_bytes
        )
        server = Account({"read, add": seconds["add"]}, num_bytes, num_bytes)
        return {
            "client": [{"accounts": [vars(client)]}],
            "server": [{"accounts": [vars(server)], "factor": num_clients}],
            "max_error": measured.max_error,
            "facts": {},
        }
