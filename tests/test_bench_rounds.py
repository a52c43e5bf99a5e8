"""The benchmark of whole rounds: whose seconds, a real round of a toy key, tables, documents."""

import copy
import io
import itertools
import json
from pathlib import Path

import pytest
import veilsum as vs
from protocol_parties import TOY_PRIMES
from rich.console import Console
from veilsum import hazmat
from veilsum.schemes import packed

from bench import charts, machine, phases, rounds, secure_sum
from bench.clock import OTHER, Account, Clock
from bench.documents import DOCUMENTS, filled
from bench.libraries import Library
from bench.parties import new_party, party_of, seconds, seconds_of_powers, take
from bench.process import LibraryError
from bench.records import Run
from bench.report import print_report
from bench.round_tables import ciphertext_table, conclusions, methods_table, phases_table
from bench.rounds import AUTHORITY, MASKED, PACKED, add_peer, measure_veilsum, point_of
from bench.secure_sum import AGGREGATOR, CONTRIBUTOR, HOLDER, Size
from bench.tables import text
from bench.worker import Session
from bench.workload import Pipeline

SIZE = Size(dim=400, num_contributors=6, num_measured=3)
KEY_BITS = 384


class Ticking(Clock):
    """Every look at the clock takes a second."""

    def __init__(self):
        ticks = itertools.count()
        super().__init__(lambda: next(ticks))


class Sums(Pipeline):
    """What a framework's adapter answers, without a framework."""

    packages = ("numpy",)

    def round(self, dim, num_clients, num_shares=0):
        clients = [Account({"mask": 2.0 + i}, 4 * dim, 8 * dim) for i in range(num_clients)]
        server = Account({"add": 0.5}, 8 * dim, 4 * dim)
        return {
            "client": [{"accounts": [vars(client) for client in clients]}],
            "server": [{"accounts": [vars(server)], "factor": num_clients}],
            "max_error": 0.0,
            "facts": {},
        }


class Broken(Sums):
    def round(self, dim, num_clients, num_shares=0):
        raise ValueError("no such round")


class WorkerHere:
    """A worker of which nothing is another process."""

    def __init__(self, library, python, *, key_bits, timeout_seconds):
        self._session = Session(library.adapter, key_bits, 1)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass

    def ask(self, request, **arguments):
        try:
            return json.loads(json.dumps(getattr(self._session, request)(**arguments)))
        except ValueError as error:
            raise LibraryError(f"ValueError: {error}") from error


@pytest.fixture(scope="module")
def results():
    settings = {"dim": SIZE.dim, "contributors": SIZE.num_contributors, "run_seconds": 1}
    found = Run(machine.describe(dict(vs.cpu())), settings)
    secret = hazmat.secret_key(*TOY_PRIMES)
    measure_veilsum(
        found,
        hazmat.deal_shares(secret, secure_sum.NUM_HOLDERS, secure_sum.THRESHOLD),
        secure_sum.authority_key(secret),
        SIZE,
        lambda step: None,
        chunk_size=4,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rounds, "Worker", WorkerHere)
        for name in ("Sums", "Broken"):
            library = Library(name, f"{__name__}:{name}")
            add_peer(found, library, "python", SIZE)
    return found


def test_the_toy_key_is_the_one_the_tests_think_of():
    assert hazmat.secret_key(*TOY_PRIMES).public_key.key_bits == KEY_BITS


def method(results, name):
    return results.one("methods", name=name)


# ---- the clock ----


def test_each_second_is_one_partys_innermost_phase():
    clock, outer, inner = Ticking(), Account(), Account()
    with clock.turn(outer, "wait"):  # One second until the next look.
        with clock.phase("work"):
            with clock.turn(inner):
                pass
            with clock.pause():
                pass
    assert outer.seconds == {"wait": 2, "work": 3}
    assert inner.seconds == {OTHER: 1}


def test_a_phase_can_turn_into_another():
    clock, account = Ticking(), Account()
    with clock.turn(account):
        with clock.phase("first"):
            clock.split("first", "second")
            clock.split("first", "second")
    assert account.seconds == {OTHER: 2, "first": 2, "second": 1}


def test_lent_items_are_made_in_the_lenders_turn():
    clock, lender, reader = Ticking(), Account(), Account()
    with clock.turn(reader, "read"):
        assert list(clock.lend(lender, "ab", "make")) == ["a", "b"]
    assert lender.seconds == {"make": 3}  # Two items, and the end.
    assert reader.seconds == {"read": 4}


def test_veilsum_is_as_before_once_it_is_no_longer_watched():
    before = [
        vars(vs.Ciphertexts)["from_bytes"],
        packed.encrypt_and_prove,
        vs.Codec.quantise,
    ]
    with phases.watched(Clock()):
        assert packed.encrypt_and_prove is not before[1]
    after = [vars(vs.Ciphertexts)["from_bytes"], packed.encrypt_and_prove, vs.Codec.quantise]
    assert after == before


def test_a_phase_is_measured_once():
    party = new_party("a", 1)
    take(party, [Account({"x": 1.0}, 10, 4), Account({"x": 3.0}, 10, 4)], factor=2)
    assert (seconds(party), party["received"], party["sent"]) == (4, 20, 8)
    with pytest.raises(ValueError, match="twice"):
        take(party, [Account({"x": 1.0})])


# ---- a real round ----


PHASES = {
    CONTRIBUTOR: {phases.ENCODE, phases.ENCRYPT, phases.PROVE_PLAINTEXTS},
    AGGREGATOR: {
        *(phases.CHECK_SIGNATURES, phases.CHECK_CIPHERTEXTS, phases.CHECK_PLAINTEXTS),
        *(phases.ADD, phases.CLOSE, phases.MAKE_REQUESTS, phases.DECODE),
    },
    HOLDER: {
        *(phases.CHECK_REQUEST, phases.CHECK_SIGNATURES, phases.CHECK_HASHES),
        *(phases.CHECK_CIPHERTEXTS, phases.CHECK_PLAINTEXTS, phases.MULTIPLY, phases.RECORD),
    },
}
OF_SHARES = {
    CONTRIBUTOR: set(),
    AGGREGATOR: {phases.CHECK_PARTIALS, phases.COMBINE},
    HOLDER: {phases.PARTIAL, phases.PROVE_PARTIAL},
}
OF_A_WHOLE_KEY = {CONTRIBUTOR: set(), AGGREGATOR: set(), HOLDER: {phases.DECRYPT}}
OF_MASKS = {
    CONTRIBUTOR: {phases.HASH_SLOTS, phases.MASK},
    AGGREGATOR: {phases.CHECK_BODIES, phases.OPEN_BODY},
    HOLDER: set(),
}
METHODS = [
    (PACKED, [OF_SHARES], [OF_MASKS, OF_A_WHOLE_KEY]),
    (MASKED, [OF_SHARES, OF_MASKS], [OF_A_WHOLE_KEY]),
    (AUTHORITY, [OF_A_WHOLE_KEY, OF_MASKS], [OF_SHARES]),
]


@pytest.mark.parametrize(("name", "some", "others"), METHODS)
def test_every_party_of_a_round_spent_time_on_its_phases_and_no_others(results, name, some, others):
    found = method(results, name)
    assert found["num_measured"] == SIZE.num_measured
    for role, names in PHASES.items():
        party = party_of(found, role)
        wanted = names.union(*(more[role] for more in some))
        assert wanted <= set(party["phases"])
        assert all(seconds(party, [phase]) > 0 for phase in wanted)
        assert not set(party["phases"]) & set().union(*(more[role] for more in others))


def test_facts_say_what_travelled_and_what_was_opened(results):
    packed_facts, masked_facts, whole = (
        method(results, name)["facts"] for name in (PACKED, MASKED, AUTHORITY)
    )
    assert [facts["scheme"] for facts in (packed_facts, masked_facts, whole)] == [
        *("packed", "masked", "masked")
    ]
    assert packed_facts["strength"] is None
    assert min(masked_facts["strength"]) > 128
    # A key does not know how long the vector is: it has the coefficients of a ring.
    assert masked_facts["num_ciphertexts"] == whole["num_ciphertexts"] > 2048 / KEY_BITS
    assert whole["num_opened"] == whole["num_ciphertexts"]


def test_what_is_done_once_for_all_contributors_is_not_multiplied(results):
    for name in (PACKED, MASKED, AUTHORITY):
        _, aggregator, holder = method(results, name)["parties"]
        factors = {phase: found["factor"] for phase, found in holder["phases"].items()}
        once = {phases.CHECK_REQUEST, phases.RECORD, phases.PARTIAL, phases.DECRYPT}
        assert {factors[phase] for phase in once & set(factors)} == {1.0}
        assert factors[phases.CHECK_PLAINTEXTS] == factors[phases.CHECK_SIGNATURES] == SIZE.times
        assert factors[phases.MULTIPLY] == 5 / 2
        factors = {phase: found["factor"] for phase, found in aggregator["phases"].items()}
        once = {phases.CLOSE, phases.OPEN_BODY, phases.COMBINE, phases.DECODE}
        assert {factors[phase] for phase in once & set(factors)} == {1.0}
        assert factors[phases.ADD] == SIZE.num_contributors
        assert factors[phases.MAKE_REQUESTS] == SIZE.times


def test_bytes_are_those_of_the_messages(results):
    for name, num_holders in ((PACKED, 5), (MASKED, 5), (AUTHORITY, 1)):
        found = method(results, name)
        contributor, aggregator, holder = found["parties"]
        vector = found["facts"]["num_ciphertexts"] * 2 * 48  # Bytes of a number of 384 bits.
        assert vector < contributor["sent"]
        assert contributor["received"] > 4 * SIZE.dim
        answers = holder["count"] * holder["sent"]
        wanted = SIZE.num_contributors * contributor["sent"] + answers
        assert aggregator["received"] == pytest.approx(wanted, rel=0.05)
        assert holder["count"] == num_holders
        # A holder downloads its part of everybody's ciphertexts; one with the whole key all.
        share = found["facts"]["num_opened"] / found["facts"]["num_ciphertexts"]
        assert 0.7 < share < 0.9 if num_holders == 5 else share == 1
        assert holder["received"] > 0.9 * share * SIZE.num_contributors * vector


@pytest.mark.parametrize("scheme", ["packed", "masked"])
def test_contributors_that_are_not_played_count(tmp_path, scheme):
    secret = hazmat.secret_key(*TOY_PRIMES)
    keys = hazmat.deal_shares(secret, 5, 4)
    found = []
    for measured in (2, 4):
        folder = tmp_path / str(measured)
        folder.mkdir()
        size = Size(400, 4, measured)
        found.append(
            secure_sum.measure(
                "x",
                keys,
                size,
                folder=folder,
                progress=lambda step: None,
                scheme=scheme,
                chunk_size=4,
            )
        )
    for few, all_of_them in zip(found[0]["parties"], found[1]["parties"], strict=True):
        assert few["count"] == all_of_them["count"]
        assert few["received"] == pytest.approx(all_of_them["received"], rel=0.1)
        assert few["sent"] == pytest.approx(all_of_them["sent"], rel=0.1)
        multiply = all_of_them["phases"].get(phases.MULTIPLY, {"factor": 1.0})
        assert multiply["factor"] == 1.0


def test_a_round_that_sums_wrongly_is_no_result(tmp_path, monkeypatch):
    monkeypatch.setattr(vs.Codec, "dequantise", lambda self, slots, *, num_addends: _Nothing)
    secret = hazmat.secret_key(*TOY_PRIMES)
    with pytest.raises(ValueError, match="wrong"):
        secure_sum.measure(
            "x",
            secure_sum.authority_key(secret),
            Size(40, 2, 2),
            folder=tmp_path,
            progress=lambda step: None,
        )


class _Nothing:
    values = 10.0


# ---- peers ----


def test_peers_stand_beside_and_what_fails_is_named(results):
    peer = method(results, "Sums")
    assert seconds(party_of(peer, "client")) == 4.5  # The median of 2 to 7.
    assert seconds(party_of(peer, "server")) == 3.0
    assert party_of(peer, "server")["received"] == 6 * 8 * 400
    assert "numpy" in peer["versions"]
    assert results.missing == {"Broken": "ValueError: no such round"}


# ---- the report ----


def test_report_has_a_row_for_each_phase_and_each_method(results):
    table = phases_table(results, KEY_BITS)
    names = [row[0] for row in table.rows]
    assert f"{HOLDER}: {phases.PARTIAL}" in names
    assert f"{CONTRIBUTOR}, MB out" in names
    assert table.columns == ["seconds", PACKED, MASKED, AUTHORITY]
    rows = {row[0]: row[1:] for row in methods_table(results).rows}
    assert len(rows) == 4
    assert next(iter(rows)) == f"{PACKED}, {KEY_BITS} bits"
    output = io.StringIO()
    print_report(Console(width=140, file=output), results)
    assert "Broken: ValueError: no such round" in output.getvalue()
    assert phases.CHECK_PARTIALS in output.getvalue()


def test_conclusions_name_the_yardstick(results):
    played, _, line = conclusions(results)
    assert played.startswith("3 of veilsum's 6 contributors")
    holder = party_of(method(results, PACKED), HOLDER)
    loop = seconds_of_powers(results.one("powers", key_bits=KEY_BITS))
    ratio = loop / seconds(holder, [phases.PARTIAL])
    assert f"partial decryption is {ratio:.3g} times" in line


def test_decryption_by_the_secret_key_is_of_the_ciphertexts_that_its_owner_opened(results):
    found = method(results, AUTHORITY)
    decryption = seconds(party_of(found, HOLDER), [phases.DECRYPT])
    cells = {row[0]: row[1] for row in ciphertext_table(results).rows}
    wanted = 1e6 * decryption / found["facts"]["num_ciphertexts"]
    assert cells["decryption by the secret key"] == f"{wanted:,.0f}"


def test_results_from_before_there_were_masks_are_of_packed_vectors(results):
    older = Run(results.machine, results.settings, records=copy.deepcopy(results.records))
    methods = [one for one in older.all("methods") if one["name"] != MASKED]
    for one in methods:
        one["facts"].pop("scheme", None)
    older.records["methods"] = methods
    assert ciphertext_table(older).rows == ciphertext_table(results).rows
    assert conclusions(older) == conclusions(results)
    assert phases_table(older, KEY_BITS).columns == ["seconds", PACKED, AUTHORITY]


def test_charts_are_drawn(results, tmp_path):
    assert charts.write_charts(results, tmp_path / "methods") == [tmp_path / "methods.png"]
    settings = results.settings | {"fixed_clients": 6, "fixed_dim": 400, "key_bits": [KEY_BITS]}
    sizes = [SIZE, Size(800, 6, 3), Size(400, 12, 3)]
    points = [point_of(found, size) for found in results.all("methods") for size in sizes]
    scale = Run(results.machine, settings, records={"points": points})
    assert charts.write_charts(scale, tmp_path / "scale") == [tmp_path / "scale.png"]
    for name in ("methods.png", "scale.png"):
        assert (tmp_path / name).stat().st_size > 10_000


def test_documents_take_their_tables_from_the_results(results, tmp_path):
    results.write(tmp_path / "a.json")
    place = "<!-- table a.json {} {} -->\nold\n<!-- end of table -->"
    kinds = [("phases", KEY_BITS), ("methods", KEY_BITS), ("ciphertexts", 0), ("conclusions", 0)]
    old = "before\n" + "\n".join(itertools.starmap(place.format, kinds)) + "\nafter\n"
    new = filled(old, tmp_path)
    assert "\nold\n" not in new
    assert new.startswith("before\n")
    assert new.endswith("\nafter\n")
    for row in phases_table(results, KEY_BITS).rows:
        assert f"| {' | '.join(map(text, row))} |\n" in new
    assert filled(new, tmp_path) == new


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_documents_show_what_was_measured(path: Path):
    page = path.read_text(encoding="utf-8")
    assert filled(page) == page, "./run bench --documents writes the tables anew"


def test_a_table_of_all_methods_has_those_without_a_key_and_those_with_one(results, tmp_path):
    results.write(tmp_path / "a.json")
    place = "<!-- table a.json methods{} -->\nold\n<!-- end of table -->"
    for bits, num_rows in (("", 4), (f" {KEY_BITS}", 4), (" 0", 1), (" 2048", 1)):
        lines = filled(place.format(bits), tmp_path).splitlines()
        assert len([line for line in lines if line.startswith("|")]) == 2 + num_rows, bits
    with pytest.raises(ValueError, match="name it after its kind"):
        filled(place.format("").replace("methods", "phases"), tmp_path)
