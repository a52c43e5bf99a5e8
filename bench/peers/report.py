"""The tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rich.console import Console

from peers.measure import threads
from peers.operations import OPERATIONS
from peers.report_noise import print_noise
from peers.results import Memory, Results, Row, Run, Update
from peers.tables import TIMES, make_table, name_of, number

WIDTH = 121  # What the widest table needs.


def print_report(console: Console, results: Results) -> None:
    """Everything a run found, and on what."""
    console.print()
    for line in machine_lines(results):
        console.print(line, highlight=False, soft_wrap=True)
    kinds = dict.fromkeys((row.num_threads, row.key_bits) for row in _with_timings(results))
    for num_threads, key_bits in sorted(kinds):
        _print_operations(console, results, key_bits, num_threads)
    if kinds:
        console.print(
            f"Ciphertexts a second, median. Below it, after {TIMES}: how many times as fast "
            "veilsum's first row is.\nA sum counts its addends; - means that the library does not "
            "have the operation.",
            highlight=False,
        )
        _print_packing(console, results)
    if results.updates:
        _print_updates(console, results.updates)
    if results.noise:
        print_noise(console, results)
    if results.memory:
        _print_memory(console, results.memory)
    if results.missing:
        console.print("\nNot available:", style="bold")
        for name, reason in results.missing.items():
            console.print(f"  {name}: {reason}", highlight=False, markup=False, soft_wrap=True)


def machine_lines(run: Run) -> list[str]:
    """What the figures were measured on, in two lines."""
    machine = run.machine
    return [
        f"{machine['processor']}, {machine['num_processors']} processors, load "
        f"{machine['load_average']:.1f} before the run, {machine['system']}",
        f"veilsum {machine['commit']}, kernel {machine['veilsum']['kernel']}, "
        f"{machine['compiler']}, Python {machine['python']}, {machine['date']}",
    ]


def update_name(update: Update) -> str:
    """The same for workload W, where veilsum's rows differ by key size."""
    bits = f", {update.row.key_bits} bits" if update.row.is_ours else ""
    return f"{name_of(update.row)}{bits}"


def _with_timings(results: Results) -> list[Row]:
    timed = {id(timing.row) for timing in results.timings}
    return [row for row in results.rows if id(row) in timed]


def _print_operations(console: Console, results: Results, key_bits: int, num_threads: int) -> None:
    columns = [operation.title for operation in OPERATIONS.values()]
    table = make_table(f"{key_bits} bits, {threads(num_threads)}", "", columns)
    for row in _with_timings(results):
        if (row.key_bits, row.num_threads) != (key_bits, num_threads):
            continue
        cells = []
        for name in OPERATIONS:
            timing, ratio = results.timing(row, name), results.ratio(row, name)
            cell = number(timing.per_second) if timing else "-"
            cells.append(f"{cell}\n{TIMES}{number(ratio)}" if ratio else cell)
        table.add_row(name_of(row), *cells)
    console.print(table)


def _print_packing(console: Console, results: Results) -> None:
    """Model parameters: what a ciphertext holds times what was measured of ciphertexts."""
    columns = ["bits", "threads", "values a\nciphertext", "bytes a\nvalue", "values/s\nencrypt"]
    table = make_table(
        "Packed: 16-bit values, sums of up to 100 addends",
        "library",
        [*columns, "values/s\nsum", "values/s\ndecrypt"],
    )
    for row in _with_timings(results):
        if not row.packing:
            continue
        per_ciphertext = row.packing["values_per_ciphertext"]
        timings = [results.timing(row, name) for name in ("encrypt", "sum", "decrypt")]
        table.add_row(
            name_of(row),
            str(row.key_bits),
            str(row.num_threads),
            f"{per_ciphertext:g}",
            number(row.packing["bytes_per_ciphertext"] / per_ciphertext),
            *(number(per_ciphertext * t.per_second) if t else "-" for t in timings),
        )
    console.print(table)


_UPDATE_COLUMNS: list[tuple[str, Callable[[Update], str]]] = [
    ("threads", lambda u: str(u.row.num_threads)),
    ("clip, quantise,\npack, s", lambda u: f"{u.median('encode'):.3f}"),
    ("noise,\n% of\nencrypt", lambda u: f"{_noise_percent(u):.2g}" if u.median("noise") else "-"),
    ("encrypt,\ns", lambda u: f"{u.median('encrypt'):.3f}"),
    ("MB a\nclient", lambda u: f"{u.num_bytes / 1e6:.2f}"),
    ("add a\nclient, s", lambda u: f"{u.median('add'):.4f}"),
    ("decrypt,\ns", lambda u: f"{u.median('decrypt'):.3f}"),
    ("largest\nerror", lambda u: f"{u.max_error:.0e}"),
]


def _noise_percent(update: Update) -> float:
    return 100 * update.median("noise") / update.median("encrypt")


def _print_updates(console: Console, updates: Iterable[Update]) -> None:
    updates = list(updates)
    table = make_table(
        f"Workload W: an update of {updates[0].dim:,} float32, 16-bit values, 100 addends",
        "library",
        [header for header, _ in _UPDATE_COLUMNS],
    )
    for update in updates:
        table.add_row(update_name(update), *(value(update) for _, value in _UPDATE_COLUMNS))
    console.print(table)


def _print_memory(console: Console, memory: Iterable[Memory]) -> None:
    columns = ["values", "contributors", "peak, MB", "before, MB", "MB a client", "s a client"]
    table = make_table("Memory of an aggregator", "", columns)
    for one in memory:
        table.add_row(
            f"{one.key_bits} bits",
            f"{one.dim:,}",
            f"{one.num_contributors:,}",
            f"{one.peak_bytes / 1e6:.0f}",
            f"{one.baseline_bytes / 1e6:.0f}",
            f"{one.contribution_bytes / 1e6:.2f}",
            f"{one.seconds_per_contributor:.4f}",
        )
    console.print(table)
