"""The tables, for the terminal and for documents alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from peers.tables import make_table, number
from rich.table import Table as RichTable

from rounds import phases
from rounds.results import Method, Party, Results
from rounds.secure_sum import AGGREGATOR, CONTRIBUTOR, HOLDER

_CLIENT, _SERVER = (CONTRIBUTOR, "client"), (AGGREGATOR, "server")
# Who proves, who checks, and who combines; the rest of a round is ciphertexts, bytes and hashes.
_PROOFS = (
    phases.PROVE_PLAINTEXTS,
    phases.CHECK_PLAINTEXTS,
    phases.PROVE_PARTIAL,
    phases.CHECK_PARTIALS,
    phases.COMBINE,
)


@dataclass(frozen=True)
class Table:
    """Rows of text, the first column of which has the names."""

    title: str
    columns: list[str]
    rows: list[list[str]]

    def for_terminal(self) -> RichTable:
        """In colours."""
        table = make_table(self.title, self.columns[0], self.columns[1:])
        for row in self.rows:
            table.add_row(*row)
        return table

    def markdown(self) -> str:
        """For documents."""
        lines = [self.columns, ["---", *["---:"] * (len(self.columns) - 1)], *self.rows]
        return f"{self.title}:\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def phases_table(results: Results, key_bits: int) -> Table:
    """Every phase of each party, and its bytes; one column for each trust."""
    methods = [method for method in results.methods if method.key_bits == key_bits]
    rows: list[list[str]] = []
    for role in (CONTRIBUTOR, AGGREGATOR, HOLDER):
        parties = [method.party(role) for method in methods]
        names = dict.fromkeys(name for party in parties for name in party.phases)
        for name in names:
            cells = [_phase_cell(party, name) for party in parties]
            rows.append([f"{role}: {name}", *cells])
        rows.append([f"{role}: all", *(_figure(party.seconds) for party in parties)])
        rows.append([f"{role}, MB in", *(_figure(party.received / 1e6) for party in parties)])
        rows.append([f"{role}, MB out", *(_figure(party.sent / 1e6) for party in parties)])
    title = (
        f"Workload W: {results.settings['dim']:,} values, {key_bits} bits, "
        f"{results.settings['contributors']} contributors; seconds of one core, and MB"
    )
    return Table(title, ["seconds", *(method.name for method in methods)], rows)


def methods_table(results: Results, key_bits: int | None = None) -> Table:
    """One row for each method: what a round costs each kind of party."""
    columns: list[tuple[str, Callable[[Method], str]]] = [
        ("client, s", lambda m: _cell(m, _CLIENT, lambda p: p.seconds)),
        ("client sends, MB", lambda m: _cell(m, _CLIENT, lambda p: p.sent / 1e6)),
        ("gets, MB", lambda m: _cell(m, _CLIENT, lambda p: p.received / 1e6)),
        ("server, s", lambda m: _cell(m, _SERVER, lambda p: p.seconds)),
        ("server sends, MB", lambda m: _cell(m, _SERVER, lambda p: p.sent / 1e6)),
        ("holders", lambda m: _cell(m, (HOLDER,), lambda p: p.count)),
        ("a holder, s", lambda m: _cell(m, (HOLDER,), lambda p: p.seconds)),
        ("gets, MB", lambda m: _cell(m, (HOLDER,), lambda p: p.received / 1e6)),
        ("sends, MB", lambda m: _cell(m, (HOLDER,), lambda p: p.sent / 1e6)),
    ]
    methods = [m for m in results.methods if key_bits is None or m.key_bits in (0, key_bits)]
    rows = [[name_of(method), *(value(method) for _, value in columns)] for method in methods]
    settings = results.settings
    title = (
        f"One round of {settings['dim']:,} values and {settings['contributors']} clients, "
        "seconds of one core"
    )
    return Table(title, ["", *(header for header, _ in columns)], rows)


def ciphertext_table(results: Results) -> Table:
    """Microseconds a ciphertext of what opening by shares takes; one column for each key size."""
    sizes = sorted(power.key_bits for power in results.powers)
    columns = [_microseconds(results, key_bits) for key_bits in sizes]
    rows = [[name, *(f"{c[name]:,.0f}" for c in columns)] for name in columns[0]] if columns else []
    return Table(
        "Microseconds a ciphertext, one core",
        ["", *(f"{key_bits} bits" for key_bits in sizes)],
        rows,
    )


def scale_table(results: Results) -> Table:
    """Every size of every method: seconds of a client, of the server and of a holder, and MB up."""
    rows = []
    for point in sorted(results.points, key=lambda p: (p.dim, p.num_contributors)):
        seconds = [point.seconds.get(role) for role in ("client", "server", "holder")]
        figures = [seconds[0], point.sent["client"] / 1e6, *seconds[1:]]
        cells = ["" if figure is None else _figure(figure) for figure in figures]
        rows.append([point.method, f"{point.dim:,}", f"{point.num_contributors}", *cells])
    columns = ["values", "clients", "client, s", "client sends, MB", "server, s", "a holder, s"]
    title = f"One round by size, {results.settings['key_bits'][0]} bits, seconds of one core"
    return Table(title, ["", *columns], rows)


def how_many(results: Results) -> str:
    """What was played, and what is multiplied."""
    [played] = {m.num_measured for m in results.methods if m.key_bits}
    return (
        f"{played} of veilsum's {results.settings['contributors']} contributors were played; what "
        "others do for each contributor is multiplied. What a contributor gets has the model."
    )


def conclusions(results: Results) -> list[str]:
    """What the figures say of partial decryption, in sentences."""
    lines = []
    for power in results.powers:
        method = results.with_key(power.key_bits, shared=True)
        holder = method.party(HOLDER)
        partial = holder.phases[phases.PARTIAL].seconds
        everybody = sum(party.count * _seconds_of(party, _PROOFS) for party in method.parties)
        each = _proofs_a_ciphertext(results, power.key_bits)
        lines.append(
            f"{power.key_bits} bits: partial decryption is {number(power.seconds / partial)} times "
            "as fast as a loop of gmpy2.powmod. Proofs, made and checked, and combination take "
            f"{100 * each * partial / power.seconds:.1f} % of that loop for each ciphertext of a "
            f"contributor ({each:.2f} times as long as partial decryption); in the round of "
            f"{results.settings['contributors']}, where aggregator and holders check what all "
            f"sent, {100 * everybody / (holder.count * power.seconds):.1f} %."
        )
    return lines


def name_of(method: Method) -> str:
    """With its key size, or its version."""
    if method.key_bits:
        return f"{method.name}, {method.key_bits} bits"
    version = next(iter(method.versions.values()), "")
    return f"{method.name} ({version})" if version else method.name


_PROVE_SHARE, _CHECK_SHARE = "its proof", "check of its proof"
_COMBINE = "combination of four"
_PROVE, _CHECK = "proof of plaintexts", "check of a proof of plaintexts"


def _microseconds(results: Results, key_bits: int) -> dict[str, float]:
    power, method = results.power(key_bits), results.with_key(key_bits, shared=True)
    owner = results.with_key(key_bits, shared=False).party(HOLDER)
    contributor, aggregator, holder = map(method.party, (CONTRIBUTOR, AGGREGATOR, HOLDER))
    whole, part = method.facts["num_ciphertexts"], method.facts["num_opened"]
    checked, answers = contributor.count * whole, holder.count * part
    rows: list[tuple[str, float, int]] = [
        (
            "`gmpy2.powmod` modulo n², the same power in the plain form",
            power.seconds,
            power.num_ciphertexts,
        ),
        ("partial decryption", holder.phases[phases.PARTIAL].seconds, part),
        (_PROVE_SHARE, holder.phases[phases.PROVE_PARTIAL].seconds, part),
        (_CHECK_SHARE, aggregator.phases[phases.CHECK_PARTIALS].seconds, answers),
        (_COMBINE, aggregator.phases[phases.COMBINE].seconds, whole),
        ("decryption by the secret key", owner.phases[phases.DECRYPT].seconds, whole),
        ("encryption", contributor.phases[phases.ENCRYPT].seconds, whole),
        (_PROVE, contributor.phases[phases.PROVE_PLAINTEXTS].seconds, whole),
        (_CHECK, aggregator.phases[phases.CHECK_PLAINTEXTS].seconds, checked),
    ]
    return {name: 1e6 * seconds / count for name, seconds, count in rows}


def _proofs_a_ciphertext(results: Results, key_bits: int) -> float:
    each = _microseconds(results, key_bits)
    proofs = (_PROVE_SHARE, _CHECK_SHARE, _COMBINE, _PROVE, _CHECK)
    return sum(each[name] for name in proofs) / each["partial decryption"]


def _seconds_of(party: Party, names: tuple[str, ...]) -> float:
    return sum(party.phases[name].seconds for name in names if name in party.phases)


def _phase_cell(party: Party, name: str) -> str:
    return _figure(party.phases[name].seconds) if name in party.phases else ""


def _cell(method: Method, roles: tuple[str, ...], value: Callable[[Party], float]) -> str:
    """Of those in one of the roles, if there are any."""
    return "".join(_figure(value(party)) for party in method.parties if party.role in roles)


def _figure(value: float) -> str:
    return number(value) if value >= 0.001 or value == 0 else f"{value:.1g}"
