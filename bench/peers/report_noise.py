"""The tables of noise."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from peers.draws import DRAWS
from peers.libraries import NUMPY_NOISE, is_random_bytes
from peers.measure import threads
from peers.results import Results, Row, Timing
from peers.tables import TIMES, make_table, name_of, number

_KINDS = {"gaussian": "Discrete Gaussian noise", "laplace": "Discrete Laplace noise"}


def print_noise(console: Console, results: Results) -> None:
    """Samples a second of every library; what stands behind a sample; the bound by the bytes."""
    for num_threads in sorted({timing.row.num_threads for timing in results.noise}):
        for kind in _KINDS:
            draws = [draw for draw in _draws(results) if DRAWS[draw].kind == kind]
            if draws:
                console.print(_rates(results, kind, draws, num_threads))
    rows = noise_rows(results)
    console.print(
        f"Samples a second, median. Below it, after {TIMES}: how many times as fast as one thread "
        f"of {NUMPY_NOISE}, whose time\ndoes not depend on sigma. Exact: just that distribution. "
        "Secure: a cryptographic generator keyed by the system.",
        highlight=False,
    )
    for remark, names in _remarks(rows).items():
        line = f"  {'; '.join(names)}: {remark}"
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    for title, ratio, form, meaning in (
        (
            "veilsum's first row beside others",
            results.our_noise_ratio,
            number,
            "How many times as fast it is, one thread.",
        ),
        (
            "Time beside random bytes alone",
            results.bytes_ratio,
            "{:.2f}".format,
            "How many times as long as drawing only its random bytes from the same generator, "
            "one thread.",
        ),
    ):
        if any(ratio(timing) for timing in results.noise):
            console.print(_ratios(results, title, ratio, form))
            console.print(meaning, highlight=False)


def noise_rows(results: Results) -> list[Row]:
    """Every library that drew noise, once for each number of threads, in the order measured."""
    rows = {id(timing.row): timing.row for timing in results.noise}
    return [row for row in rows.values() if not is_random_bytes(row.library)]


def _draws(results: Results) -> list[str]:
    measured = {timing.operation for timing in results.noise}
    return [draw for draw in DRAWS if draw in measured]


def _rates(results: Results, kind: str, draws: list[str], num_threads: int) -> Table:
    columns = ["exact", "secure", "samples\na call", *(DRAWS[draw].title for draw in draws)]
    table = make_table(f"{_KINDS[kind]}, {threads(num_threads)}", "", columns)
    for row in noise_rows(results):
        if row.num_threads != num_threads:
            continue
        timings = [results.noise_timing(row.library, num_threads, draw) for draw in draws]
        table.add_row(
            name_of(row),
            _yes(row.quality["exact"]),
            _yes(row.quality["secure"]),
            _range([timing.batch for timing in timings if timing]),
            *(_cell(results, timing) for timing in timings),
        )
    return table


def _cell(results: Results, timing: Timing | None) -> str:
    if timing is None:
        return "-"
    ratio = results.noise_ratio(timing)
    rate = number(timing.per_second)
    if not ratio or ratio == 1:
        return rate
    return f"{rate}\n" + (f"{TIMES}{number(ratio)}" if ratio > 0.01 else f"1/{number(1 / ratio)}")


def _ratios(
    results: Results,
    title: str,
    ratio: Callable[[Timing], float | None],
    form: Callable[[float], str],
) -> Table:
    """A ratio of each row that has it."""
    draws = _draws(results)
    table = make_table(title, "", [draw.replace(" ", "\n") for draw in draws])
    for row in noise_rows(results):
        timings = [results.noise_timing(row.library, row.num_threads, draw) for draw in draws]
        found = [ratio(timing) if timing else None for timing in timings]
        if any(found):
            table.add_row(name_of(row), *(form(value) if value else "-" for value in found))
    return table


def _remarks(rows: list[Row]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in rows:
        names = found.setdefault(row.quality["remark"], [])
        if row.library not in names:
            names.append(row.library)
    return found


def _range(batches: list[int]) -> str:
    if not batches:
        return "-"
    few, many = min(batches), max(batches)
    return number(many) if few == many else f"{number(few)} to {number(many)}"


def _yes(answer: bool) -> str:
    return "yes" if answer else "no"
