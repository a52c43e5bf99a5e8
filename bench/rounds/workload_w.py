"""``./run bench --federation``: workload W through veilsum's secure sum, and what else there is."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import veilsum as vs
from peers.install import NotInstallableError, interpreter
from peers.libraries import Library
from peers.process import Worker, WorkerError

from rounds import secure_sum
from rounds.power import PowerLoop
from rounds.results import Method, Results, party_from
from rounds.secure_sum import Keys, Size

THRESHOLD, AUTHORITY = "veilsum, threshold", "veilsum, authority"
SECAGG, CKKS = "Flower SecAgg+", "TenSEAL CKKS"

Progress = Callable[[str], object]

_TIMEOUT_SECONDS = 3600  # Of a whole round; one takes minutes, on a busy machine many.
QUIET = {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}
FLOWER = ("flwr>=1.41", "numpy")
SECAGG_LIBRARY = Library(SECAGG, "rounds.adapters.flower:SecAggPlus", "", FLOWER, QUIET)
CKKS_LIBRARY = Library(CKKS, "rounds.adapters.ckks:Ckks", "", ("tenseal>=0.3.16", "numpy"))


def measure_workload(results: Results, options: argparse.Namespace, progress: Progress) -> None:
    """All methods, one after another; each runs on one core."""
    size = Size(options.dim, options.contributors, options.measured)
    for key_bits in options.key_bits:
        progress(f"making a key of safe primes, {key_bits} bits")
        secret = vs.generate_key(key_bits, safe_primes=True)
        measure_veilsum(
            results,
            secure_sum.threshold_keys(secret),
            secure_sum.authority_key(secret),
            size,
            progress,
        )
    others = [
        (SECAGG_LIBRARY, size.num_contributors, secagg_size(size)),
        (CKKS_LIBRARY, 1, {"dim": size.dim, "num_clients": size.num_contributors}),
    ]
    for library, num_measured, arguments in others:
        progress(f"{library.name}: {num_measured} clients")
        add_peer(
            results, library, options.peers_python, arguments, size.num_contributors, num_measured
        )


def measure_veilsum(
    results: Results, threshold: Keys, authority: Keys, size: Size, progress: Progress, **more: Any
) -> None:
    """Both trusts, and the yardstick between the turns of the holders."""
    key = authority[0]
    assert isinstance(key, vs.PublicKey)
    start = time.process_time()
    key.encrypt([0], num_threads=1)  # Makes the key's table, once.
    table_seconds = time.process_time() - start
    loop = PowerLoop(key, num_holders=secure_sum.NUM_HOLDERS)
    for name, keys in ((THRESHOLD, threshold), (AUTHORITY, authority)):
        with tempfile.TemporaryDirectory(prefix="veilsum-bench-") as folder:
            method = secure_sum.measure(
                name, keys, size, folder=Path(folder), progress=progress, between=loop, **more
            )
        method.facts["table_seconds"] = table_seconds
        results.methods.append(method)
    results.powers.append(loop.power(results.methods[-2].facts["num_opened"]))


def secagg_size(size: Size) -> dict[str, int]:
    """Everybody is played. Neighbours grow with the logarithm of the number of clients."""
    return {
        "dim": size.dim,
        "num_clients": size.num_contributors,
        "num_shares": 2 * size.num_contributors.bit_length() + 1,
    }


def add_peer(
    results: Results,
    library: Library,
    python: str,
    size: dict[str, int],
    num_clients: int,
    num_measured: int,
    *,
    key_bits: int = 0,
) -> None:
    """A round in a process of its own; if it cannot be, the reason is noted."""
    try:
        executable = interpreter(library.requirements, python)
        with Worker(
            library,
            executable,
            key_bits=key_bits,
            num_threads=1,
            timeout_seconds=_TIMEOUT_SECONDS,
        ) as worker:
            described = worker.ask("describe")
            answer = worker.ask("round", **size)
    except (NotInstallableError, WorkerError) as error:
        results.missing[library.name] = str(error)
        return
    roles = {"client": num_clients, "server": 1, "holder": 0}
    roles["holder"] = sum(len(part["accounts"]) for part in answer.get("holder", []))
    parties = [party_from(role, roles[role], answer[role]) for role in roles if answer.get(role)]
    results.methods.append(
        Method(
            library.name,
            key_bits,
            parties,
            num_measured,
            answer["max_error"],
            facts=answer["facts"],
            versions=described["versions"],
        )
    )
