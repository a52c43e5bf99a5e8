"""Fuzz one reader in Python, or whole rounds, for a while: what ``./run fuzz`` calls.

With atheris (libFuzzer's coverage of the Python code) where it is installed; else mutations of the
golden messages and of the corpus, without coverage. A case that breaks a promise is written to
``build/fuzz`` and ends the run.
"""

import argparse
import gc
import hashlib
import os
import random
import sys
import time
import tracemalloc
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
KEPT = ROOT / "tests/fuzz/corpus"
BUILD = ROOT / "build/fuzz"
ROUNDS = "rounds"
MAX_LEN = 1 << 14

try:
    import atheris
except ImportError:
    atheris = None


def kept(name):
    """The inputs that earlier runs kept for a target."""
    return [path.read_bytes() for path in sorted((KEPT / name).glob("*")) if path.is_file()]


def keep_failure(name, data):
    BUILD.mkdir(parents=True, exist_ok=True)
    path = BUILD / f"broken-{name}-{hashlib.sha256(data).hexdigest()[:16]}"
    path.write_bytes(data)
    print(f"{name}: a promise is broken by {path}", file=sys.stderr)


def fuzz_with_coverage(name, seconds):
    """Never returns: libFuzzer ends the process."""
    from fuzz import mutate, readers

    # Atheris instruments imports, but not those of an editable installation.
    for thing in gc.get_objects():
        if isinstance(thing, types.FunctionType) and (thing.__module__ or "").startswith(
            "veilsum."
        ):
            atheris.instrument_func(thing)
    target = readers.TARGETS[name]
    seeds = target.all_seeds()
    corpus = BUILD / name
    corpus.mkdir(parents=True, exist_ok=True)
    for data in [*seeds, *kept(name)]:
        target.read(data) if data in seeds else readers.check(target, data)  # Fills caches.
        (corpus / hashlib.sha1(data).hexdigest()).write_bytes(data)

    def one(data):
        try:
            readers.check(target, data)
        except BaseException:
            keep_failure(name, data)
            raise

    def mutator(data, max_size, seed):
        rng = random.Random(seed)
        if rng.random() < 0.2:
            return mutate.with_length(atheris.Mutate(data, max_size))
        return mutate.mutated(rng, data, seeds)[:max_size]

    options = [
        f"-max_total_time={seconds}",
        "-timeout=10",
        "-rss_limit_mb=1024",
        f"-max_len={MAX_LEN}",
        "-print_final_stats=1",
        f"-artifact_prefix={BUILD}/",
    ]
    tracemalloc.start()
    atheris.Setup([sys.argv[0], *options, str(corpus)], one, custom_mutator=mutator)
    atheris.Fuzz()


def keep(name):
    """Add what reaches new lines to the corpus in the repository, shortest first."""
    from fuzz import readers

    target = readers.TARGETS[name]
    package = str(ROOT / "python")
    reached = set()

    def trace(frame, event, _):
        if not frame.f_code.co_filename.startswith(package):
            return None
        reached.add((frame.f_code, frame.f_lineno, event))
        return trace

    def reaches(data):
        reached.clear()
        sys.settrace(trace)
        try:
            readers.check(target, data)
        finally:
            sys.settrace(None)
        return frozenset(reached)

    covered = frozenset[object]().union(*map(reaches, [*target.all_seeds(), *kept(name)]))
    found = sorted((path.read_bytes() for path in (BUILD / name).glob("*")), key=len)
    for data in found:
        here = reaches(data)
        if here <= covered:
            continue
        covered |= here
        (KEPT / name).mkdir(parents=True, exist_ok=True)
        (KEPT / name / hashlib.sha1(data).hexdigest()[:16]).write_bytes(data)


def fuzz_plainly(name, seconds, seed):
    """Mutations without coverage, for so many seconds of processor time."""
    from fuzz import mutate, readers

    target = readers.TARGETS[name]
    seeds = [*target.all_seeds(), *kept(name)]
    for data in seeds:
        readers.check(target, data)
    rng, count, taken = random.Random(seed), 0, 0
    tracemalloc.start()
    begin = time.process_time()
    while time.process_time() - begin < seconds:
        data = mutate.mutated(rng, rng.choice(seeds), seeds)
        try:
            taken += readers.check(target, data)
        except BaseException:
            keep_failure(name, data)
            raise
        count += 1
    print(f"{name}: {count} executions, {taken} taken, seed {seed}, no coverage")


def fuzz_rounds(seconds, seed):
    """Whole rounds with changed messages, for so many seconds of processor time."""
    from fuzz.rounds import Fire

    rng, count, refused = random.Random(seed), 0, 0
    begin = time.process_time()
    while time.process_time() - begin < seconds:
        for trust in ("threshold", "authority", "contributors"):
            fire = Fire(trust, rng)
            fire.round(20)
            count, refused = count + 1, refused + fire.num_refused
    print(f"rounds: {count} rounds ended right, {refused} changed messages refused, seed {seed}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", nargs="?")
    parser.add_argument("--list", action="store_true", help="print the names of all readers")
    parser.add_argument("--keep", action="store_true", help="then add to the corpus")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    asked = parser.parse_args()
    if asked.list:
        from fuzz.readers import TARGETS

        print(*TARGETS)
        return
    if asked.target == ROUNDS:
        fuzz_rounds(asked.seconds, asked.seed)
    elif atheris is None:
        print("atheris is not installed here: mutations without coverage", file=sys.stderr)
        fuzz_plainly(asked.target, asked.seconds, asked.seed)
    else:
        # In a process of its own: libFuzzer ends it.
        child = os.fork()
        if child == 0:
            fuzz_with_coverage(asked.target, asked.seconds)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status != 0:
            sys.exit(status)
        if asked.keep:
            keep(asked.target)


if __name__ == "__main__":
    main()
