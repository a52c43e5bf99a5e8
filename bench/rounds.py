"""``./run bench --federation``, ``--frameworks``, ``--scale``: whole rounds, by party and phase."""

from __future__ import annotations

import argparse
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import factorial, log2
from pathlib import Path
from typing import Any

import gmpy2
import veilsum as vs

from bench import crowd, libraries, secure_sum
from bench.libraries import Library
from bench.machine import ROOT
from bench.parties import new_party, packed_under_shares, seconds
from bench.process import LibraryError, Worker, interpreter
from bench.records import Record, Run
from bench.secure_sum import AGGREGATOR, CONTRIBUTOR, Keys, Size

PACKED, MASKED = "veilsum, threshold, packed", "veilsum, threshold, masked"
AUTHORITY = "veilsum, authority"  # Masked: it takes nothing else.

Progress = Callable[[str], object]

_TIMEOUT_SECONDS = 3600  # Of a whole round; one takes minutes, on a busy machine many.

# ---- --federation: workload W through veilsum's secure sum, and what else there is ----


def measure_federation(run: Run, options: argparse.Namespace, progress: Progress) -> None:
    """All methods, one after another; each runs on one core."""
    size = Size(options.dim, options.contributors, options.measured)
    for key_bits in options.key_bits:
        secret = _safe_key(key_bits, progress)
        threshold, authority = secure_sum.threshold_keys(secret), secure_sum.authority_key(secret)
        measure_veilsum(run, threshold, authority, size, progress)
    for library in (libraries.SECAGG_ROUND, libraries.CKKS_ROUND):
        progress(f"{library.name}: {size.num_contributors} clients")
        add_peer(run, library, options.peers_python, size)


def measure_veilsum(
    run: Run, threshold: Keys, authority: Keys, size: Size, progress: Progress, **more: Any
) -> None:
    """Both trusts and both schemes; the yardstick between the turns of who opens packed vectors."""
    key = authority[0]
    assert isinstance(key, vs.PublicKey)
    start = time.process_time()
    key.encrypt([0], num_threads=1)  # Makes the key's table, once.
    table_seconds = time.process_time() - start
    loop = PowerLoop(key, num_holders=secure_sum.NUM_HOLDERS)
    for name, keys, options in (
        (PACKED, threshold, {"between": loop}),
        (MASKED, threshold, {}),
        (AUTHORITY, authority, {}),
    ):
        method = _play(name, keys, size, progress, **options, **more)
        method["facts"]["table_seconds"] = table_seconds
        run.add("methods", **method)
    num_opened = packed_under_shares(run, key.key_bits)["facts"]["num_opened"]
    run.add("powers", key_bits=key.key_bits, samples=loop.samples, num_ciphertexts=num_opened)


class PowerLoop:
    """What a holder's work would take with gmpy2: the yardstick of partial decryption.

    A few powers modulo n squared whenever it is called, of a holder's length of exponent. Called
    now and then, it meets the same weather as what it is compared with.
    """

    NUM_POWERS = 2  # A call; one takes up to a tenth of a second.

    def __init__(self, key: vs.PublicKey, *, num_holders: int) -> None:
        self.samples: list[float] = []
        self._modulus = gmpy2.mpz(key.n**2)
        bits = 2 * key.key_bits - 2 + (2 * factorial(num_holders)).bit_length()
        self._exponent = gmpy2.mpz(secrets.randbits(bits) | 1 << (bits - 1))
        self._bases = [gmpy2.mpz(secrets.randbelow(key.n**2)) for _ in range(self.NUM_POWERS)]

    def __call__(self) -> None:
        for base in self._bases:
            start = time.process_time()
            gmpy2.powmod(base, self._exponent, self._modulus)
            self.samples.append(time.process_time() - start)


# ---- --frameworks: a round of federated averaging in each ----


def measure_frameworks(run: Run, options: argparse.Namespace, progress: Progress) -> None:
    """One method after another, each in a process of its own, on one core."""
    size = Size(options.dim, options.contributors, options.contributors)
    secagg = replace(libraries.SECAGG_ROUND, name="Flower, SecAgg+")
    methods = [libraries.PLAIN_ROUND, secagg, libraries.NVFLARE_ROUND, *libraries.OUR_ROUNDS]
    ready: set[str] = set()
    for library in methods:
        progress(f"{library.name}: {options.contributors} clients")
        if library.is_ours:
            try:
                python = interpreter(library.requirements, options.peers_python)
                if python not in ready:
                    install_veilsum(python)
                    ready.add(python)
            except (LibraryError, subprocess.CalledProcessError) as error:
                run.missing[library.name] = str(error)
                continue
        more = {"num_shares": options.contributors} if library is secagg else {}
        key_bits = options.key_bits[0] if library.is_ours else 0
        add_peer(run, library, options.peers_python, size, key_bits=key_bits, **more)


def install_veilsum(python: str) -> None:
    """veilsum as it is here, into another environment."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    with tempfile.TemporaryDirectory() as folder:
        wheel = [*pip, "wheel", "--no-build-isolation", "--no-deps", ".", "--wheel-dir", folder]
        subprocess.run([*wheel, "--config-settings=build-dir=build/editable"], check=True, cwd=ROOT)
        [built] = map(str, Path(folder).glob("*.whl"))
        target = [*pip, "--python", python, "install", "--force-reinstall", "--no-deps", built]
        subprocess.run(target, check=True)


# ---- --scale: the same by the length of the model and the number of clients ----

FIXED_CLIENTS, FIXED_DIM = 10, 100_000
DIMS = (10_000, 100_000, 1_000_000, 10_000_000)
CLIENTS = (10, 100, 1_000, 10_000)
NUM_TIMED = 5  # Of masked contributors; all are played.
NUM_PACKED = 2  # As many are played of packed contributors.

_ROLES = {CONTRIBUTOR: "client", AGGREGATOR: "server"}


@dataclass(frozen=True)
class Reach:
    """How far a method is measured, why no further, and what it takes where it is.

    ``seconds`` are about those of one core of an EPYC 7003 without IFMA, with a key of 3072 bits.
    """

    max_dim: int
    max_contributors: int
    why: str
    seconds: Callable[[Size], float]


_KEY_SECONDS = 30.0
_ANY = max(DIMS)
REACHES = {
    libraries.PLAIN_ROUND.name: Reach(
        *(_ANY, 1_000, "its server keeps all models, 4 GB here; its seconds grow with them"),
        lambda size: 1 + 8e-8 * size.dim * size.num_contributors,
    ),
    libraries.SECAGG_ROUND.name: Reach(
        *(_ANY, 1_000, "all clients are played and share masks with more of them: half an hour"),
        lambda size: (
            1 + (0.01 + 8e-8 * size.dim) * size.num_contributors * log2(size.num_contributors)
        ),
    ),
    libraries.CKKS_ROUND.name: Reach(
        *(_ANY, _ANY, ""),
        lambda size: 1 + 3e-6 * size.dim,
    ),
    AUTHORITY: Reach(
        *(_ANY, 1_000, "it would be 10,000 contributions more; those of shares cost the same"),
        lambda size: 6 + (0.045 + 5e-8 * size.dim) * size.num_contributors,
    ),
    MASKED: Reach(
        *(_ANY, _ANY, ""),
        lambda size: 7 + (0.045 + 5e-8 * size.dim) * size.num_contributors,
    ),
    PACKED: Reach(
        *(100_000, 1_000, "holders would open for minutes; --federation has a million values"),
        lambda size: 5 + 4e-4 * size.dim,
    ),
}


def sizes(max_dim: int, max_contributors: int) -> list[Size]:
    """Which rounds are played: two lines through the plane."""
    fixed_dim, fixed_clients = fixed(max_dim, max_contributors)
    by_dim = [(dim, fixed_clients) for dim in DIMS if dim <= max_dim]
    by_clients = [(fixed_dim, count) for count in CLIENTS if count <= max_contributors]
    both = dict.fromkeys([*by_dim, *by_clients])
    return [Size(dim, count, min(NUM_TIMED, count)) for dim, count in both]


def fixed(max_dim: int, max_contributors: int) -> tuple[int, int]:
    """The model of the line by clients, and the clients of the line by models."""
    return min(FIXED_DIM, max_dim), min(FIXED_CLIENTS, max_contributors)


def planned(all_sizes: Sequence[Size]) -> tuple[list[tuple[str, Size]], dict[str, str]]:
    """What is measured, and why the rest is not."""
    plan, missing = [], {}
    for size in all_sizes:
        for name, reach in REACHES.items():
            if size.dim <= reach.max_dim and size.num_contributors <= reach.max_contributors:
                plan.append((name, size))
            else:
                missing[f"{name}, {where(size)}"] = f"left out: {reach.why}"
    return plan, missing


def where(size: Size) -> str:
    """A size in words."""
    return f"{size.dim:,} values, {size.num_contributors:,} clients"


def expected_seconds(plan: Sequence[tuple[str, Size]]) -> float:
    """About how long it takes; on an idle machine, more or less by the factor of its speed."""
    return _KEY_SECONDS + sum(REACHES[name].seconds(size) for name, size in plan)


def measure_scale(run: Run, options: argparse.Namespace, progress: Progress) -> None:
    """Every method at every size, as far as each is measured."""
    fixed_dim, fixed_clients = fixed(options.dim, options.contributors)
    run.settings |= {"fixed_clients": fixed_clients, "fixed_dim": fixed_dim}
    plan, left_out = planned(sizes(options.dim, options.contributors))
    run.missing |= left_out
    minutes = expected_seconds(plan) / 60
    progress(f"about {minutes:.0f} minutes to come (key of 3072 bits, EPYC 7003, nothing else on)")
    secret = _safe_key(options.key_bits[0], progress)
    secret.public_key.encrypt([0])
    shares = secure_sum.threshold_keys(secret)
    peers = {library.name: library for library in _PEERS}
    keys = {AUTHORITY: secure_sum.authority_key(secret), MASKED: shares, PACKED: shares}
    for name, size in plan:
        found = Run({}, {})

        def tell(step: str, size: Size = size) -> None:
            progress(f"{where(size)}: {step}")

        if name in peers:
            tell(name)
            add_peer(found, peers[name], options.peers_python, size)
        elif name == PACKED:
            few = replace(size, num_measured=NUM_PACKED)
            found.add("methods", **_play(name, keys[name], few, tell))
        else:
            found.add("methods", **_play_all(name, keys[name], size, tell))
        for method in found.all("methods"):
            run.add("points", **point_of(method, size))
        run.missing |= {f"{name}, {where(size)}": why for why in found.missing.values()}


_PEERS = (libraries.PLAIN_ROUND, libraries.SECAGG_ROUND, libraries.CKKS_ROUND)


def point_of(method: Record, size: Size) -> Record:
    """What the plot shows of a round; memory of those who had a process of their own."""
    parties = {_ROLES.get(party["role"], party["role"]): party for party in method["parties"]}
    peaks = method["facts"].get("peak_bytes", {})
    return {
        "method": method["name"],
        "dim": size.dim,
        "num_contributors": size.num_contributors,
        "num_measured": method["num_measured"],
        "num_played": method["facts"].get("num_played", method["num_measured"]),
        "stored": method["facts"].get("stored"),
        "seconds": {role: seconds(party) for role, party in parties.items()},
        "sent": {role: party["sent"] for role, party in parties.items()},
        "received": {role: party["received"] for role, party in parties.items()},
        "peak_bytes": {_ROLES.get(role, role): peak for role, peak in peaks.items()},
    }


# ---- what they share ----


def _safe_key(key_bits: int, progress: Progress) -> vs.SecretKey:
    progress(f"making a key of safe primes, {key_bits} bits")
    return vs.generate_key(key_bits, safe_primes=True)


_SCHEMES = {PACKED: "packed", MASKED: "masked", AUTHORITY: "auto"}


def _play(name: str, keys: Keys, size: Size, progress: Progress, **more: Any) -> Record:
    with tempfile.TemporaryDirectory(prefix="veilsum-bench-") as folder:
        return secure_sum.measure(
            name,
            keys,
            size,
            folder=Path(folder),
            progress=progress,
            scheme=_SCHEMES[name],
            **more,
        )


def _play_all(name: str, keys: Keys, size: Size, progress: Progress) -> Record:
    with tempfile.TemporaryDirectory(prefix="veilsum-bench-") as folder:
        return crowd.measure(name, keys, size, folder=Path(folder), progress=progress)


def add_peer(
    run: Run, library: Library, python: str, size: Size, *, key_bits: int = 0, **more: int
) -> None:
    """A round in a process of its own; if it cannot be, the reason is noted.

    Everybody is played but of CKKS, where one client is like the other. SecAgg+'s neighbours grow
    with the logarithm of the number of clients.
    """
    everybody = size.num_contributors
    if library is libraries.SECAGG_ROUND:
        more = {"num_shares": 2 * everybody.bit_length() + 1}
    try:
        executable = interpreter(library.requirements, python)
        with Worker(
            library, executable, key_bits=key_bits, timeout_seconds=_TIMEOUT_SECONDS
        ) as worker:
            described = worker.ask("describe")
            answer = worker.ask("call", method="round", dim=size.dim, num_clients=everybody, **more)
    except LibraryError as error:
        run.missing[library.name] = str(error)
        return
    num_holders = sum(len(part["accounts"]) for part in answer.get("holder", []))
    roles = {"client": everybody, "server": 1, "holder": num_holders}
    run.add(
        "methods",
        name=library.name,
        key_bits=key_bits,
        parties=[
            new_party(role, count, answer[role])
            for role, count in roles.items()
            if answer.get(role)
        ],
        num_measured=1 if library is libraries.CKKS_ROUND else everybody,
        max_error=answer["max_error"],
        facts=answer["facts"],
        versions=described["versions"],
    )
