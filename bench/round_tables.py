"""The tables of whole rounds, which are in documents too."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bench import phases
from bench.parties import (
    method_name,
    packed_under_shares,
    party_of,
    seconds,
    seconds_of_powers,
    under_one_key,
)
from bench.records import Record, Run
from bench.secure_sum import AGGREGATOR, CONTRIBUTOR, HOLDER
from bench.tables import Cell, Table, number, table_of

# Who proves, who checks, and who combines; the rest of a round is ciphertexts, bytes and hashes.
_PROOFS = (
    phases.PROVE_PLAINTEXTS,
    phases.CHECK_PLAINTEXTS,
    phases.PROVE_PARTIAL,
    phases.CHECK_PARTIALS,
    phases.COMBINE,
)


_AXES = {"dim": "values", "num_contributors": "clients"}


def tables(run: Run) -> Iterator[Table]:
    """All that there are of a run."""
    if run.all("methods"):
        yield methods_table(run)
    for power in run.all("powers"):
        yield phases_table(run, power["key_bits"])
    if run.all("points"):
        yield scale_table(run)
        # The same again along the two lines through all sizes.
        for x, other, value in (
            ("dim", "num_contributors", run.settings["fixed_clients"]),
            ("num_contributors", "dim", run.settings["fixed_dim"]),
        ):
            title = f"One round; {_AXES[other]}: {value:,}; by {_AXES[x]}"
            yield _scale(run, title, {other: value}, _SCALE, x)
    if run.all("powers"):
        yield ciphertext_table(run)


def phases_table(run: Run, key_bits: int) -> Table:
    """Every phase of each party, and its bytes; one column for each method."""
    methods = run.all("methods", key_bits=key_bits)
    rows: list[list[Cell]] = []
    for role in (CONTRIBUTOR, AGGREGATOR, HOLDER):
        parties = [party_of(method, role) for method in methods]
        for name in dict.fromkeys(name for party in parties for name in party["phases"]):
            cells = [seconds(p, [name]) if name in p["phases"] else None for p in parties]
            rows.append([f"{role}: {name}", *cells])
        rows.append([f"{role}: all", *map(seconds, parties)])
        for what, way in (("MB in", "received"), ("MB out", "sent")):
            rows.append([f"{role}, {what}", *(party[way] / 1e6 for party in parties)])
    title = (
        f"Workload W: {run.settings['dim']:,} values, {key_bits} bits, "
        f"{run.settings['contributors']} contributors; seconds of one core, and MB"
    )
    return Table(title, ["seconds", *(method["name"] for method in methods)], rows)


def methods_table(run: Run, key_bits: int | None = None) -> Table:
    """One row for each method: what a round costs each kind of party."""

    def of(value: Callable[[Record], Cell], *roles: str) -> Callable[[Record], Cell]:
        """Of those in one of the roles, if there are any."""

        def cell(method: Record) -> Cell:
            return next((value(p) for p in method["parties"] if p["role"] in roles), None)

        return cell

    def sent(party: Record) -> Cell:
        return party["sent"] / 1e6

    def received(party: Record) -> Cell:
        return party["received"] / 1e6

    client, server = (CONTRIBUTOR, "client"), (AGGREGATOR, "server")
    settings = run.settings
    return table_of(
        f"One round of {settings['dim']:,} values and {settings['contributors']} clients, "
        "seconds of one core",
        [m for m in run.all("methods") if key_bits is None or m["key_bits"] in (0, key_bits)],
        [
            ("", method_name),
            ("client, s", of(seconds, *client)),
            ("client sends, MB", of(sent, *client)),
            ("gets, MB", of(received, *client)),
            ("server, s", of(seconds, *server)),
            ("server sends, MB", of(sent, *server)),
            ("holders", of(lambda party: str(party["count"]), HOLDER)),
            ("a holder, s", of(seconds, HOLDER)),
            ("gets, MB", of(received, HOLDER)),
            ("sends, MB", of(sent, HOLDER)),
        ],
        chart="",
    )


def scale_table(run: Run) -> Table:
    """Every size of every method: seconds of each party, what goes up, and what a holder gets."""
    key_bits = run.settings["key_bits"][0]
    title = f"One round by size, {key_bits} bits, seconds of one core"
    return _scale(run, title, {}, _SCALE[:_NUM_IN_TABLE])


_Point = Callable[[Record], Cell]


def _of(what: str, role: str, unit: float = 1.0) -> _Point:
    """A figure of one party; older results do not have all of them."""

    def cell(point: Record) -> Cell:
        value = point.get(what, {}).get(role)
        return None if value is None else value / unit

    return cell


# The first are a table's; charts have all of them.
_SCALE: list[tuple[str, _Point]] = [
    ("client, s", _of("seconds", "client")),
    ("client sends, MB", _of("sent", "client", 1e6)),
    ("server, s", _of("seconds", "server")),
    ("server's peak, MB", _of("peak_bytes", "server", 1e6)),
    ("a holder, s", _of("seconds", "holder")),
    ("holder gets, MB", _of("received", "holder", 1e6)),
    ("holder sends, MB", _of("sent", "holder", 1e6)),
    ("client gets, MB", _of("received", "client", 1e6)),
    ("server gets, MB", _of("received", "server", 1e6)),
    ("server sends, MB", _of("sent", "server", 1e6)),
]
_NUM_IN_TABLE = 6


def _scale(
    run: Run,
    title: str,
    wanted: dict[str, int],
    figures: list[tuple[str, _Point]],
    x: str | None = None,
) -> Table:
    points = run.all("points", **wanted)
    return table_of(
        title,
        sorted(points, key=lambda point: (point["dim"], point["num_contributors"])),
        [
            ("", lambda point: point["method"]),
            ("values", lambda point: f"{point['dim']:,}"),
            ("clients", lambda point: f"{point['num_contributors']:,}"),
            *(
                (title, cell)
                for title, cell in figures
                if any(cell(point) is not None for point in points)
            ),
        ],
        chart=x and "",
        x=(lambda point: point[x]) if x else None,
    )


def ciphertext_table(run: Run) -> Table:
    """Microseconds a ciphertext of what opening by shares takes; one column for each key size."""
    sizes = sorted(power["key_bits"] for power in run.all("powers"))
    columns = [_microseconds(run, key_bits) for key_bits in sizes]
    rows = [[name, *(f"{c[name]:,.0f}" for c in columns)] for name in columns[0]]
    titles = [f"{key_bits} bits" for key_bits in sizes]
    return Table("Microseconds a ciphertext, one core", ["", *titles], rows)


def conclusions(run: Run) -> list[str]:
    """What was played, and what the figures say of partial decryption, in sentences."""
    lines: list[str] = []
    for power in run.all("powers"):
        method, loop = packed_under_shares(run, power["key_bits"]), seconds_of_powers(power)
        holder = party_of(method, HOLDER)
        partial = seconds(holder, [phases.PARTIAL])
        everybody = sum(party["count"] * seconds(party, _PROOFS) for party in method["parties"])
        costs = _microseconds(run, power["key_bits"])
        each = sum(costs[name] for name in _COSTS_OF_PROOFS) / costs["partial decryption"]
        if not lines:
            lines = [
                f"{method['num_measured']} of veilsum's {run.settings['contributors']} "
                "contributors were played; what others do for each contributor is multiplied. "
                "What a contributor gets has the model. What follows is of packed vectors.",
                "",
            ]
        lines.append(
            f"{power['key_bits']} bits: partial decryption is {number(loop / partial)} times "
            "as fast as a loop of gmpy2.powmod. Proofs, made and checked, and combination take "
            f"{100 * each * partial / loop:.1f} % of that loop for each ciphertext of a "
            f"contributor ({each:.2f} times as long as partial decryption); in the round of "
            f"{run.settings['contributors']}, where aggregator and holders check what all "
            f"sent, {100 * everybody / (holder['count'] * loop):.1f} %."
        )
    return lines


_PROVE_SHARE, _CHECK_SHARE = "its proof", "check of its proof"
_COMBINE = "combination of four"
_PROVE, _CHECK = "proof of plaintexts", "check of a proof of plaintexts"
_COSTS_OF_PROOFS = (_PROVE_SHARE, _CHECK_SHARE, _COMBINE, _PROVE, _CHECK)


def _microseconds(run: Run, key_bits: int) -> dict[str, float]:
    [power] = run.all("powers", key_bits=key_bits)
    method, alone = packed_under_shares(run, key_bits), under_one_key(run, key_bits)
    owner = party_of(alone, HOLDER)
    contributor, aggregator, holder = (
        party_of(method, role) for role in (CONTRIBUTOR, AGGREGATOR, HOLDER)
    )
    whole, part = method["facts"]["num_ciphertexts"], method["facts"]["num_opened"]
    checked, answers = contributor["count"] * whole, holder["count"] * part
    rows: list[tuple[str, Record, str, int]] = [
        ("partial decryption", holder, phases.PARTIAL, part),
        (_PROVE_SHARE, holder, phases.PROVE_PARTIAL, part),
        (_CHECK_SHARE, aggregator, phases.CHECK_PARTIALS, answers),
        (_COMBINE, aggregator, phases.COMBINE, whole),
        (
            "decryption by the secret key",
            owner,
            phases.DECRYPT,
            alone["facts"]["num_ciphertexts"],
        ),
        ("encryption", contributor, phases.ENCRYPT, whole),
        (_PROVE, contributor, phases.PROVE_PLAINTEXTS, whole),
        (_CHECK, aggregator, phases.CHECK_PLAINTEXTS, checked),
    ]
    loop = "`gmpy2.powmod` modulo n², the same power in the plain form"
    return {loop: 1e6 * seconds_of_powers(power) / power["num_ciphertexts"]} | {
        name: 1e6 * seconds(party, [phase]) / count for name, party, phase, count in rows
    }
