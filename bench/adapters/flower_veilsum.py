"""veilsum's strategy and mod for Flower, in Flower's own messages."""

from __future__ import annotations

import secrets
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import veilsum as vs
from flwr.clientapp import ClientApp
from veilsum.integrations.flower import Party, SecureClientApp, SecureStrategy
from veilsum.passphrases import Passphrase, read_passphrase
from veilsum.secure_sum import Federation, Identity, PartyFolder

from bench.adapters.flower import Clients, all_of, one_round
from bench.adapters.flower_grid import LocalGrid
from bench.clock import Account
from bench.workload import CLIP, VALUE_BITS

_PHASES = {
    "query.veilsum_enrol": ("say who it is", "prepare"),
    "train": ("encrypt", "check, add"),
    "query.veilsum_open": ("open", "open"),
}


class Threshold(Clients):
    """Four of five holders open; each is a node of its own, and opens its folder with a key."""

    packages = ("veilsum", "flwr", "numpy")

    def __init__(self, key_bits: int, num_threads: int) -> None:
        super().__init__(key_bits, num_threads)
        self._secret = vs.generate_key(key_bits, safe_primes=True)

    def kernel(self) -> str:
        return vs.cpu()["kernel"]

    def keys(self) -> tuple[Any, list[Any]]:
        """What everybody encrypts under, and what each holder has."""
        return vs.threshold.deal_shares(
            self._secret, num_holders=5, threshold=4, max_colluding_holders=2
        )

    def new_opener(self, file: Path) -> Passphrase:
        """What opens a party's secrets, in a file that its node reads for each message."""
        return vs.MachineKey.create(file)

    def round(self, dim: int, num_clients: int, num_shares: int = 0) -> dict[str, Any]:
        key, held = self.keys()
        clients = [Identity.generate(f"client {i + 1}") for i in range(num_clients)]
        holders = [Identity.generate(f"holder {i + 1}") for i in range(len(held))]
        codec = vs.Codec(dim, clip=CLIP, value_bits=VALUE_BITS, max_addends=num_clients)
        aggregator = Identity.generate("aggregator")
        federation = Federation(
            key=key,
            codec=codec,
            contributors=tuple(identity.enrol() for identity in clients),
            aggregator=aggregator.enrol(),
            run_id=secrets.token_bytes(16),
            last_day=date.max,
            colluding_contributors=0,
            holders=tuple(identity.enrol() for identity in holders),
        )
        signed = federation.signed_by(Identity.generate("dealer"))
        server = Account()
        with tempfile.TemporaryDirectory(prefix="veilsum-bench-") as name:
            folder = Path(name)
            (folder / "federation.veil").write_bytes(signed)
            keys = [None] * num_clients + held
            for identity, secret in zip([*clients, *holders], keys, strict=True):
                PartyFolder.create(
                    folder / identity.name,
                    signed,
                    identity=identity,
                    passphrase=self.new_opener(folder / f"{identity.name}.key"),
                    expected_hash=federation.hash,
                    key=secret,
                )
            apps = [
                self._app(folder / identity.name, dim, i)
                for i, identity in enumerate([*clients, *holders])
            ]
            grid = LocalGrid(apps, self._clock, server, _PHASES.__getitem__)
            strategy = SecureStrategy(
                all_of(num_clients),
                federation=folder / "federation.veil",
                store=folder / "run",
                identity=aggregator,
                num_threads=1,
            )
            mean = one_round(grid, strategy, dim)
        return self.answer(grid, server, mean, dim, num_clients)

    def _app(self, folder: Path, dim: int, index: int) -> ClientApp:
        opener = folder.with_name(f"{folder.name}.key")
        app = SecureClientApp(
            max_examples=None,
            party=lambda context: Party(folder, read_passphrase(opener)),
            num_threads=1,
        )
        app.train()(self.training(dim, index))
        return app


class Authority(Threshold):
    """One node that has no data holds the whole key."""

    def __init__(self, key_bits: int, num_threads: int) -> None:
        Clients.__init__(self, key_bits, num_threads)
        self._secret = vs.generate_key(key_bits)

    def keys(self) -> tuple[Any, list[Any]]:
        return self._secret.public_key, [self._secret]


class UnderPassphrase(Threshold):
    """As ``Threshold``, with a passphrase in the place of each machine key: scrypt, each time."""

    def new_opener(self, file: Path) -> Passphrase:
        file.write_text("of a benchmark\n")
        return read_passphrase(file)
