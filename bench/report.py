"""What a run says in a terminal: its tables, from which its charts are drawn too."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from statistics import median

from rich.console import Console

from bench import round_tables
from bench.draws import DRAWS
from bench.floats import FLOAT_OPERATIONS, NUM_FLOATS
from bench.libraries import NUMPY_NOISE, is_random_bytes, random_bytes_of
from bench.operations import OPERATIONS
from bench.records import (
    Record,
    Run,
    first_of_ours,
    is_ours,
    name_of,
    per_second,
    same_library,
    threads,
    times_as_fast,
)
from bench.tables import Cell, Column, Table, number, table_of

WIDTH = 121  # What the widest table needs.
TIMES = "\u00d7"  # A multiplication sign.

_CIPHERS_NOTE = (
    f"Above: ciphertexts a second, median. Below it, after {TIMES}: how many times as fast as it "
    "veilsum's first row is.\nA sum counts its addends; - means that the library does not have the "
    "operation."
)
_NOISE_NOTE = (
    f"Samples a second, median. Below it, after {TIMES}: how many times as fast as one thread of "
    f"{NUMPY_NOISE}, whose time\ndoes not depend on sigma. Exact: just that distribution. Secure: "
    "a cryptographic generator keyed by the system."
)


def print_report(console: Console, run: Run) -> None:
    """Everything a run found, and on what."""
    console.print()
    for line in machine_lines(run):
        console.print(line, highlight=False, soft_wrap=True)
    for table in tables(run):
        table.show(console)
    for line in (*_remarks(run), *round_tables.conclusions(run)):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    if run.missing:
        console.print("\nNot available:", style="bold")
        for name, reason in run.missing.items():
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


def tables(run: Run) -> Iterator[Table]:
    """All that there are of a run; some have no rows."""
    ciphers = _ciphers(run)
    for count, bits in sorted({(row["threads"], row["key_bits"]) for row in ciphers}):
        yield ciphers_table(run, count, bits)
    yield _packing(run, ciphers)
    for count in sorted({row["threads"] for row in _of_floats(run)}):
        yield floats_table(run, count)
    yield _updates(run)
    yield from _noise(run)
    yield from _memory(run)
    yield from _correlations(run)
    yield from _bound(run)
    yield _installs(run)
    yield from round_tables.tables(run)


def _ciphers(run: Run) -> list[Record]:
    return [row for row in run.all("libraries") if "values_per_ciphertext" in row]


def ciphers_table(run: Run, num_threads: int, key_bits: int) -> Table:
    """Ciphertexts a second of each library's operations."""
    wanted = (num_threads, key_bits)
    rows = [row for row in _ciphers(run) if (row["threads"], row["key_bits"]) == wanted]
    title, chart = f"{key_bits} bits, {threads(num_threads)}", f"-{num_threads}-threads"
    operations = {operation.title: name for name, operation in OPERATIONS.items()}
    return _timings(run, title, rows, operations, _beside_ours, chart=chart)


def _timings(
    run: Run,
    title: str,
    rows: Sequence[Record],
    operations: dict[str, str],
    cell: Callable[[Run, Record], Cell],
    more: Sequence[Column[Record]] = (),
    chart: str | None = None,
) -> Table:
    """A row for each library, a column for each operation that was measured."""

    def column(operation: str) -> Callable[[Record], Cell]:
        def value(row: Record) -> Cell:
            timing = run.one("timings", **same_library(row), operation=operation)
            return "-" if timing is None else (cell(run, timing) or "-")

        return value

    measured = {timing["operation"] for timing in run.all("timings")}
    columns = [(head, column(name)) for head, name in operations.items() if name in measured]
    names: Column[Record] = ("", lambda row: name_of(run, row))
    return table_of(title, rows if columns else [], [names, *more, *columns], chart=chart)


def _beside_ours(run: Run, timing: Record) -> Cell:
    ratio = times_as_fast(first_of_ours(run, timing), timing)
    return per_second(timing), f"{TIMES}{number(ratio)}" if ratio else ""


def _packing(run: Run, ciphers: Sequence[Record]) -> Table:
    """What a ciphertext holds; model parameters a second are as many times ciphertexts."""
    return table_of(
        "Packed: 16-bit values, sums of up to 100 addends",
        [row for row in ciphers if row["threads"] == 1],
        [
            ("library", lambda row: name_of(run, row)),
            ("bits", lambda row: str(row["key_bits"])),
            ("values a\nciphertext", lambda row: row["values_per_ciphertext"]),
            (
                "bytes a\nvalue",
                lambda row: row["bytes_per_ciphertext"] / row["values_per_ciphertext"],
            ),
        ],
        _CIPHERS_NOTE,
    )


def _of_floats(run: Run) -> list[Record]:
    return [row for row in run.all("libraries") if "dot_error" in row]


def floats_table(run: Run, num_threads: int) -> Table:
    """Seconds of one vector; beside them, whatever the size of key, veilsum's."""

    def column(operation: str) -> Callable[[Record], Cell]:
        def value(row: Record) -> Cell:
            timing = run.one("timings", **same_library(row), operation=operation)
            wanted = run.all("timings", operation=operation, threads=row["threads"])
            ours = next(filter(is_ours, wanted), None)
            if timing is None:
                return "-"
            ratio = None if ours is timing else times_as_fast(ours, timing)
            return median(timing["seconds"]), f"{TIMES}{number(ratio)}" if ratio else ""

        return value

    return table_of(
        f"A vector of {NUM_FLOATS} floats and its product with a plain one, {threads(num_threads)}",
        [row for row in _of_floats(run) if row["threads"] == num_threads],
        [
            ("", lambda row: name_of(run, row)),
            ("bits", lambda row: str(row["key_bits"])),
            *((title, column(name)) for name, (title, _) in FLOAT_OPERATIONS.items()),
            ("error of\nthe product", lambda row: f"{row['dot_error']:.0e}"),
        ],
        f"Seconds, median. Below them, after {TIMES}: how many times as fast veilsum is.",
    )


def _updates(run: Run) -> Table:
    def phase(name: str) -> Callable[[Record], Cell]:
        return lambda update: median(update["seconds"][name])

    def name(update: Record) -> str:
        """veilsum's rows differ by key size."""
        bits = f", {update['key_bits']} bits" if update["key_bits"] else ""
        return f"{name_of(run, update)}{bits}, {threads(update['threads'])}"

    updates = run.all("updates")
    dim = updates[0]["dim"] if updates else 0
    return table_of(
        f"Workload W: an update of {dim:,} float32, 16-bit values, 100 addends; seconds",
        updates,
        [
            ("", name),
            ("clip, quantise,\npack", phase("encode")),
            ("noise", phase("noise")),
            ("mask,\nencrypt", phase("encrypt")),
            ("MB a\nclient", lambda update: update["bytes"] / 1e6),
            ("add a\nclient", phase("add")),
            ("decrypt", phase("decrypt")),
            ("largest\nerror", lambda update: f"{update['max_error']:.0e}"),
        ],
        chart="-update",
    )


# ---- noise ----


def _noise(run: Run) -> Iterator[Table]:
    """Samples a second of every library; what stands behind a sample; the bound by the bytes."""
    rows = _drawers(run)
    quality: list[Column[Record]] = [
        ("exact", lambda row: "yes" if row["exact"] else "no"),
        ("secure", lambda row: "yes" if row["secure"] else "no"),
    ]
    for count in sorted({row["threads"] for row in rows}):
        same = [row for row in rows if row["threads"] == count]
        for kind in ("gaussian", "laplace"):
            draws = {draw.title: name for name, draw in DRAWS.items() if draw.kind == kind}
            title = f"Discrete {kind.capitalize()} noise, {threads(count)}"
            yield _timings(run, title, same, draws, _beside_numpy, quality, "-noise")
    ours = [row for row in rows if is_ours(row) and row["threads"] == 1]
    draws = {name.replace(" ", "\n"): name for name in DRAWS}
    table = _timings(run, "Time beside random bytes alone, one thread", ours, draws, beside_bytes)
    note = f"{_NOISE_NOTE}\nLast: how many times as long as drawing only its random bytes."
    yield Table(table.title, table.columns, table.rows, note)


def _drawers(run: Run) -> list[Record]:
    """Every library that drew noise, once for each number of threads, in the order measured."""
    rows = [row for row in run.all("libraries") if "exact" in row]
    return [row for row in rows if not is_random_bytes(row["library"])]


def _beside_numpy(run: Run, timing: Record) -> Cell:
    ratio = beside_numpy(run, timing)
    if not ratio or ratio == 1:
        return per_second(timing)
    below = f"{TIMES}{number(ratio)}" if ratio > 0.01 else f"1/{number(1 / ratio)}"
    return per_second(timing), below


def beside_numpy(run: Run, timing: Record) -> float | None:
    """How many times as fast as numpy's fastest generator on one thread, by medians."""
    wanted = {"library": NUMPY_NOISE, "threads": 1, "operation": timing["operation"]}
    return times_as_fast(timing, run.one("timings", **wanted))


def beside_bytes(run: Run, timing: Record) -> float | None:
    """How many times as long as drawing the random bytes of its samples alone, by medians."""
    wanted = {"library": random_bytes_of(timing["library"]), "threads": timing["threads"]}
    alone = run.one("timings", **wanted, operation=timing["operation"])
    return times_as_fast(alone, timing)


def _remarks(run: Run) -> Iterator[str]:
    """What stands behind samples of noise."""
    rows = _drawers(run)
    for remark in dict.fromkeys(row["remark"] for row in rows):
        names = dict.fromkeys(row["library"] for row in rows if row["remark"] == remark)
        yield f"  {'; '.join(names)}: {remark}"


def _correlations(run: Run) -> Iterator[Table]:
    def interval(name: str) -> Callable[[Record], Cell]:
        def cell(case: Record) -> str:
            found = case[name]
            return f"{found['value']:+.3f} ± {(found['high'] - found['low']) / 2:.3f}"

        return cell

    cases = run.all("correlations")
    yield table_of(
        "Correlation of the time of a call with mean |noise|",
        cases,
        [
            ("", lambda case: case["library"]),
            ("noise", lambda case: case["draw"]),
            ("samples\na call", lambda case: f"{case['num_samples']:,}"),
            ("calls", lambda case: f"{case['num_calls']:,}"),
            ("us a\ncall", lambda case: case["median_microseconds"]),
            ("Pearson", interval("pearson")),
            ("rank", interval("rank")),
            ("told", lambda case: "yes" if case["is_leak"] else "no"),
        ],
        f"After ±: half of the {100 * run.settings.get('level', 0):g} % interval. Told: 0 lies "
        "outside of one of the two. Pearson's: times\ncut to their 90th percentile. One core, time "
        "of the clock.",
    )
    for draw in dict.fromkeys(case["draw"] for case in cases):
        tenths = [
            (case, i, 100 * (time - 1))
            for case in run.all("correlations", draw=draw)
            for i, time in enumerate(case["group_times"], 1)
        ]
        yield table_of(
            f"Time of a call, % beyond that of all, by tenth of the calls by mean |noise|, {draw}",
            tenths,
            [
                ("", lambda tenth: tenth[0]["library"]),
                *(
                    (f"{size:,} samples", lambda tenth, size=size: _if_of_size(tenth, size))
                    for size in sorted({case["num_samples"] for case in cases})
                ),
            ],
            chart="",
            x=lambda tenth: tenth[1],
        )


def _if_of_size(tenth: tuple[Record, int, float], num_samples: int) -> Cell:
    case, _, percent = tenth
    return percent if case["num_samples"] == num_samples else None


# ---- the rest ----


def _memory(run: Run) -> Iterator[Table]:
    """All of it, and lines by the length of the update and by the number of contributors."""
    memory = run.all("memory")
    yield _memory_of("Memory of an aggregator, MB", memory)
    names = {"dim": "values", "num_contributors": "contributors"}
    for x, other in (("dim", "num_contributors"), ("num_contributors", "dim")):
        most = max((one[other] for one in memory), default=0)
        title = f"Memory of an aggregator, MB, by {names[x]}; {most:,} {names[other]}"
        yield _memory_of(title, run.all("memory", **{other: most}), x)


def _memory_of(title: str, memory: Sequence[Record], x: str | None = None) -> Table:
    def megabytes(what: str) -> Callable[[Record], Cell]:
        return lambda one: one[f"{what}_bytes"] / 1e6

    return table_of(
        title,
        memory,
        [
            ("", lambda one: f"{one['key_bits']} bits"),
            ("values", lambda one: f"{one['dim']:,}"),
            ("contributors", lambda one: f"{one['num_contributors']:,}"),
            ("peak", megabytes("peak")),
            ("before", megabytes("baseline")),
            ("a contribution", megabytes("contribution")),
            ("s a client", lambda one: one["seconds_per_contributor"]),
        ],
        chart=x and "-memory",
        x=(lambda one: one[x]) if x else None,
    )


def _bound(run: Run) -> Iterator[Table]:
    yield table_of(
        "Microseconds a value through Python, and of its multiplications alone",
        run.all("operations"),
        [
            ("", lambda row: f"{OPERATIONS[row['operation']].title}, {row['key_bits']} bits"),
            ("Python", lambda row: row["microseconds"]),
            ("kernel", lambda row: row["kernel_microseconds"]),
            ("ratio", lambda row: row["microseconds"] / row["kernel_microseconds"]),
        ],
    )
    yield table_of(
        "Kernels, per cent of the rate of the processor's multiply-add",
        run.all("madd52_shares"),
        [
            ("", lambda row: f"{row['operation']}, {row['bits']} bits"),
            ("%", lambda row: row["percent"]),
        ],
    )
    yield table_of(
        "Encryptions a second at 2048 bits",
        run.all("workers"),
        [("", lambda row: row["name"]), ("a second", lambda row: row["per_second"])],
    )


def _installs(run: Run) -> Table:
    def beside_numpy(row: Record) -> Cell:
        base = run.one("installs", library="numpy")
        return median(row["seconds"]) / median(base["seconds"]) if base else None

    return table_of(
        "Installing and importing, without what it depends on; import: with it, median",
        run.all("installs"),
        [
            ("", lambda row: f"{row['library']} {row['version']}"),
            ("wheel,\nMB", lambda row: row["wheel_bytes"] / 1e6),
            ("on disk,\nMB", lambda row: row["installed_bytes"] / 1e6),
            ("import,\nms", lambda row: 1e3 * median(row["seconds"])),
            (f"{TIMES} numpy's", beside_numpy),
        ],
    )
