"""``./run bench --timing``: whether the time of a call tells how large the noise is that it drew.

An attacker who times a call learns something about its noise if the two are correlated. This
measures by how much, for veilsum on each kernel, numpy, OpenDP, and a leak planted to see that the
measurement finds one. It can show a leak and bound what it overlooked; it cannot show that there
is none. Why there should be none is said in docs/noise.md.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from statistics import NormalDist
from typing import Any

import numpy as np
import veilsum as vs
from numpy.typing import NDArray
from scipy.stats import rankdata

from bench import libraries
from bench.draws import QUICK_DRAWS
from bench.libraries import Library
from bench.process import LibraryError, Worker, interpreter
from bench.records import Record, Run

LEVEL = 0.999  # Of each interval: of forty, one in 25 runs has one that misses.
BATCH_SIZES = (1, 100, 1000, 10_000)
MAX_CALLS = 50_000
CUT_PERCENTILE = 90
NUM_GROUPS = 10  # Of the plot.


def measure_timing(
    run: Run, options: argparse.Namespace, progress: Callable[[str], object]
) -> None:
    """Every case, for as many seconds as the options say."""
    run.settings["level"] = LEVEL
    for library, draw, num_samples in cases(vs.cpu()["kernel"]):
        progress(f"{library.name}, {draw}, {num_samples:,} samples a call")
        try:
            python = interpreter(library.requirements, options.peers_python)
            with Worker(library, python) as worker:
                answer = worker.ask(
                    "time_calls",
                    draw=draw,
                    count=num_samples,
                    num_calls=MAX_CALLS,
                    seconds=options.seconds,
                )
        except LibraryError as error:
            run.missing[library.name] = str(error)
        else:
            found = correlate(answer["nanoseconds"], answer["magnitudes"])
            run.add(
                "correlations", library=library.name, draw=draw, num_samples=num_samples, **found
            )


def cases(fastest: str) -> Iterator[tuple[Library, str, int]]:
    """Sampler, distribution, and samples a call."""
    ours, *others = (lib for lib in libraries.our_noise(fastest) if lib.adapter.endswith(":Int64"))
    peers = {library.name: library for library in libraries.NOISE_PEERS}
    wanted = [
        (ours, BATCH_SIZES),
        *((other, [1000]) for other in others),
        (peers[libraries.NUMPY_NOISE], BATCH_SIZES),
        # The last size would leave too few calls to tell.
        (peers[libraries.OPENDP_NOISE], BATCH_SIZES[:-1]),
        (libraries.LEAKY, BATCH_SIZES[:-1]),
    ]
    for library, batch_sizes in wanted:
        for draw in QUICK_DRAWS:
            for num_samples in batch_sizes:
                yield library, draw, num_samples


def correlate(nanoseconds: list[int], magnitudes: list[float]) -> Record:
    """What the times of one sampler's calls told of the mean magnitude of what each drew.

    Pearson's correlation with Fisher's interval, of times cut to their 90th percentile: else the
    few calls that were interrupted would hide everything. Neither the cut nor times far from normal
    find what is not there: of two independent sequences, one of them exchangeable as noise is, the
    correlation has mean 0 and variance 1 / (n - 1) whatever the other one is. And Spearman's rank
    correlation of all calls, with the interval of Bonett and Wright (2000).
    """
    times, sizes = np.array(nanoseconds, np.float64), np.array(magnitudes)
    median = float(np.median(times))
    groups = np.array_split(times[np.argsort(sizes)], NUM_GROUPS)
    cut = np.minimum(times, np.percentile(times, CUT_PERCENTILE))
    pearson = _with_interval(cut, sizes, lambda _: 1.0)
    rank = _with_interval(rankdata(times), rankdata(sizes), lambda value: 1 + value**2 / 2)
    return {
        "num_calls": len(times),
        "median_microseconds": median / 1000,
        "pearson": pearson,
        "rank": rank,
        # Medians of tenths by magnitude, smallest first, over the median.
        "group_times": [float(np.median(group)) / median for group in groups],
        "is_leak": any(found["low"] > 0 or found["high"] < 0 for found in (pearson, rank)),
    }


def _with_interval(
    left: NDArray[Any], right: NDArray[Any], factor: Callable[[float], float]
) -> dict[str, float]:
    value = float(np.corrcoef(left, right)[0, 1])
    quantile = NormalDist().inv_cdf((1 + LEVEL) / 2)
    width = quantile * math.sqrt(factor(value) / (len(left) - 3))
    centre = math.atanh(min(max(value, -0.9999), 0.9999))
    return {"value": value, "low": math.tanh(centre - width), "high": math.tanh(centre + width)}
