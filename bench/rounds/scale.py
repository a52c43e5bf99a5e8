"""``./run bench --scale``: the same rounds by the length of the model and the number of clients."""

from __future__ import annotations

import argparse
import tempfile
from functools import partial
from pathlib import Path

import veilsum as vs
from peers.libraries import Library

from rounds import secure_sum
from rounds.results import Method, Point, Results
from rounds.secure_sum import AGGREGATOR, CONTRIBUTOR, Size
from rounds.workload_w import (
    AUTHORITY,
    CKKS_LIBRARY,
    FLOWER,
    QUIET,
    SECAGG_LIBRARY,
    THRESHOLD,
    Progress,
    add_peer,
    secagg_size,
)

FIXED_CLIENTS, FIXED_DIM = 10, 100_000
DIMS = (10_000, 100_000, 1_000_000, 10_000_000)
CLIENTS = (4, 10, 30, 100)
MAX_THRESHOLD_DIM = 1_000_000  # Beyond, holders would take half an hour.

_PLAIN = Library("Flower, plain FedAvg", "rounds.adapters.flower:Plain", "", FLOWER, QUIET)
_ROLES = {CONTRIBUTOR: "client", AGGREGATOR: "server"}


def sizes(max_dim: int) -> list[Size]:
    """Which rounds are played: two lines through the plane. Two clients are played of veilsum's."""
    by_dim = [Size(dim, FIXED_CLIENTS, 2) for dim in DIMS if dim <= max_dim]
    by_clients = [Size(min(FIXED_DIM, max_dim), n, 2) for n in CLIENTS if n != FIXED_CLIENTS]
    return by_dim + by_clients


def measure_scale(results: Results, options: argparse.Namespace, progress: Progress) -> None:
    """Every method at every size."""
    results.settings |= {"fixed_clients": FIXED_CLIENTS, "fixed_dim": min(FIXED_DIM, options.dim)}
    key_bits = options.key_bits[0]
    progress(f"making a key of safe primes, {key_bits} bits")
    secret = vs.generate_key(key_bits, safe_primes=True)
    secret.public_key.encrypt([0])
    for size in sizes(options.dim):
        where = f"{size.dim:,} values, {size.num_contributors} clients"
        everyone = {"dim": size.dim, "num_clients": size.num_contributors}
        for library, arguments, num_measured in (
            (_PLAIN, everyone, size.num_contributors),
            (SECAGG_LIBRARY, secagg_size(size), size.num_contributors),
            (CKKS_LIBRARY, everyone, 1),
        ):
            progress(f"{where}: {library.name}")
            found = Results({}, {})
            add_peer(
                found,
                library,
                options.peers_python,
                arguments,
                size.num_contributors,
                num_measured,
            )
            _take(results, found, size)
        for name, keys in (
            (AUTHORITY, secure_sum.authority_key(secret)),
            (THRESHOLD, secure_sum.threshold_keys(secret)),
        ):
            if name == THRESHOLD and size.dim > MAX_THRESHOLD_DIM:
                continue
            with tempfile.TemporaryDirectory(prefix="veilsum-bench-") as folder:
                method = secure_sum.measure(
                    name,
                    keys,
                    size,
                    folder=Path(folder),
                    progress=partial(_tell, progress, where),
                )
            results.points.append(point_of(method, size))


def _tell(progress: Progress, where: str, step: str) -> None:
    progress(f"{where}: {step}")


def _take(results: Results, found: Results, size: Size) -> None:
    results.points += [point_of(method, size) for method in found.methods]
    for name, reason in found.missing.items():
        results.missing[f"{name}, {size.dim:,} values, {size.num_contributors} clients"] = reason


def point_of(method: Method, size: Size) -> Point:
    """What the plot shows of a round."""
    parties = {_ROLES.get(party.role, party.role): party for party in method.parties}
    return Point(
        method=method.name,
        dim=size.dim,
        num_contributors=size.num_contributors,
        seconds={role: party.seconds for role, party in parties.items()},
        sent={role: party.sent for role, party in parties.items()},
        received={role: party.received for role, party in parties.items()},
    )
