"""The side-by-side benchmark on made-up libraries: rounds, ratios, tables, JSON, charts, gaps."""

import io
import itertools
import json
import re

import pytest
from peers import chart, install, libraries, machine
from peers.adapter import Adapter, Packing
from peers.libraries import Library
from peers.measure import measure_operations, measure_updates
from peers.memory import measure_memory
from peers.operations import NUM_ADDENDS, OPERATIONS, check
from peers.process import Worker, WorkerError
from peers.report import WIDTH, print_report
from peers.results import FORMAT, Results
from peers.tables import number
from peers.worker import Session
from rich.console import Console

OURS = Library("veilsum fast", "", quick=True)
SLOW = Library("veilsum slow", "")
PEER = Library("peer", "")
OTHER = Library("other", "", scheme="something else")
ABSENT = Library("absent", "")


class Plain(Adapter):
    """No encryption at all: ciphertexts are lists of the values."""

    packages = ("numpy",)

    def __init__(self, key_bits=2048, num_threads=1):
        pass

    def plaintexts(self, values):
        return values

    def ints(self, decrypted):
        return decrypted

    def encrypt(self, plaintexts):
        return list(plaintexts)

    def decrypt(self, ciphertexts):
        return list(ciphertexts)

    def add(self, left, right):
        return [a + b for a, b in zip(left, right, strict=True)]

    def multiply(self, ciphertexts, scalars):
        return [c * scalar for c, scalar in zip(ciphertexts, scalars, strict=True)]

    def repeat(self, ciphertexts, count):
        return list(itertools.islice(itertools.cycle(ciphertexts), count))

    def rows(self, ciphertexts, num_rows):
        num_columns = len(ciphertexts) // num_rows
        return [ciphertexts[i * num_columns :][:num_columns] for i in range(num_rows)]

    def sum_rows(self, rows):
        return [sum(column) for column in zip(*rows, strict=True)]

    def packing(self):
        return Packing(3, 12.0)


class Wrong(Plain):
    def add(self, left, right):
        return left


class FakeWorker:
    """Answers at once, with the seconds it was told, in this order."""

    order: list[str] = []  # noqa: RUF012

    def __init__(self, library, seconds):
        self.library = library
        self.seconds = itertools.cycle(seconds)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass

    def send(self, request, **arguments):
        self.request = request, arguments

    def receive(self):
        request, arguments = self.request
        if self.library is ABSENT:
            raise WorkerError("there is no such kernel")
        if request == "describe":
            packing = {"values_per_ciphertext": 3, "bytes_per_ciphertext": 12.0}
            return {"versions": {"peer": "1.2"}, "kernel": None, "packing": packing}
        if request == "ready":
            only_ours = arguments["operation"] in ("encrypt_owner", "encrypt_pool")
            return {"batch": 0 if only_ours and not self.library.is_ours else 64}
        if request == "sample":
            self.order.append(self.library.name)
            seconds = next(self.seconds)
            return {"seconds": seconds, "processor_seconds": seconds}
        phases = {"encode": 0.1, "encrypt": 1.0, "add": 0.01, "decrypt": next(self.seconds)}
        phases["noise"] = 0.025 if self.library.is_ours else 0.0
        return {"seconds": phases, "num_bytes": 1_500_000, "max_error": 1e-5}

    def ask(self, request, **arguments):
        self.send(request, **arguments)
        return self.receive()


SECONDS = {
    "veilsum fast": [1e-6, 9e-6, 1e-6],  # The median does not see the 9.
    "veilsum slow": [1e-5],
    "peer": [1e-4],
    "other": [5e-7],
    "absent": [1.0],
}


def start(library, key_bits, num_threads):
    return FakeWorker(library, SECONDS[library.name])


@pytest.fixture
def results():
    FakeWorker.order.clear()
    cpu = {"kernel": "fast"}
    found = Results(machine.describe(cpu), {"rounds": 3})
    for key_bits in (2048, 3072):
        measure_operations(
            found,
            [OURS, SLOW, PEER, OTHER, ABSENT],
            start,
            key_bits=key_bits,
            num_threads=1,
            num_rounds=3,
            seconds=0.1,
            progress=lambda step: None,
        )
    measure_updates(
        found,
        [(OURS, 2048), (OTHER, 0), (ABSENT, 0)],
        start,
        num_threads=1,
        num_rounds=3,
        dim=10,
        progress=lambda step: None,
    )
    return found


def row_of(results, library, key_bits=2048):
    rows = results.rows_of(key_bits, 1)
    return next(row for row in rows if row.library == library.name)


def test_ratios_come_from_medians(results):
    assert results.ratio(row_of(results, PEER), "add") == pytest.approx(100)
    assert results.ratio(row_of(results, SLOW), "add") == pytest.approx(10)
    assert results.ratio(row_of(results, OTHER), "add") == pytest.approx(0.5)
    assert results.ratio(row_of(results, OURS), "add") is None
    assert results.ratio(row_of(results, PEER), "encrypt_pool") is None


def test_libraries_take_turns(results):
    names = [library.name for library in (OURS, SLOW, PEER, OTHER)]
    assert FakeWorker.order[:4] == names
    assert FakeWorker.order[4:8] == names[1:] + names[:1]


def test_missing_library_is_reported_and_the_rest_goes_on(results):
    assert results.missing == {"absent": "there is no such kernel"}
    assert {row.library for row in results.rows} == {
        "veilsum fast",
        "veilsum slow",
        "peer",
        "other",
    }
    assert len(results.timings) == 2 * (2 * 7 + 2 * 5)


def test_library_that_fails_in_one_operation_keeps_the_others():
    class Failing(FakeWorker):
        def receive(self):
            if self.request[1].get("operation") == "add":
                raise WorkerError("no sums today")
            return super().receive()

    found = Results(machine.describe({"kernel": "fast"}), {})
    measure_operations(
        found,
        [PEER],
        lambda library, key_bits, num_threads: Failing(library, [1.0]),
        key_bits=2048,
        num_threads=1,
        num_rounds=1,
        seconds=0.1,
        progress=lambda step: None,
    )
    assert found.missing == {"peer: add": "no sums today"}
    assert [timing.operation for timing in found.timings] == [
        "encrypt",
        "decrypt",
        "sum",
        "multiply",
    ]


def test_json_has_samples_and_spreads(results):
    data = json.loads(json.dumps(results.to_dict()))
    assert data["format"] == FORMAT
    assert {"processor", "num_processors", "system", "compiler", "commit"} <= set(data["machine"])
    first = next(line for line in data["operations"] if line["library"] == "veilsum fast")
    assert first["seconds"] == {
        "median": 1e-6,
        "min": 1e-6,
        "max": 9e-6,
        "rounds": 3,
        "samples": [1e-6, 9e-6, 1e-6],
    }
    assert first["per_second"] == pytest.approx(1e6)
    peer = next(line for line in data["operations"] if line["library"] == "peer")
    assert peer["veilsum_ratio"] == pytest.approx(100)
    assert data["workload_w"][0]["seconds"]["encrypt"]["median"] == 1.0
    assert data["missing"] == results.missing


def test_tables_show_libraries_ratios_and_gaps(results):
    output = io.StringIO()
    print_report(Console(file=output, width=WIDTH), results)
    text = output.getvalue()
    assert "2048 bits, one thread" in text
    assert "3072 bits, one thread" in text
    assert "peer 1.2" in text
    assert "\N{MULTIPLICATION SIGN}100" in text
    assert "absent: there is no such kernel" in text
    assert "Workload W: an update of 10 float32" in text
    # Noise of 0.025 s is 2.5 % of encryption; other has none.
    assert re.search(r"veilsum fast, 2048 bits +1 +0\.100 +2\.5 +1\.000", text)
    assert re.search(r"other 1\.2 +1 +0\.100 +- +1\.000", text)
    assert re.search(r"peer 1\.2 +2048 +1 +3 +4 +30,000", text)  # 3 values, 12 bytes, 10,000/s.


def test_charts_are_drawn(results, tmp_path):
    chart.plot_operations(results, 1, tmp_path / "operations.png")
    chart.plot_updates(results, tmp_path / "updates.png")
    results.memory = measure_memory(
        key_bits=2048, progress=lambda step: None, dims=[100, 200], num_contributors=[1, 3]
    )
    chart.plot_memory(results, tmp_path / "memory.png")
    sizes = [path.stat().st_size for path in tmp_path.glob("*.png")]
    assert len(sizes) == 3
    assert min(sizes) > 5000
    assert [(m.dim, m.num_contributors) for m in results.memory] == [
        (100, 1),
        (100, 3),
        (200, 1),
        (200, 3),
    ]
    assert all(m.peak_bytes >= m.baseline_bytes > 1e6 for m in results.memory)


@pytest.mark.parametrize("operation", set(OPERATIONS) - {"encrypt_owner", "encrypt_pool"})
def test_operations_compute_what_they_say(operation):
    check(Plain(), OPERATIONS[operation].bind(Plain(), NUM_ADDENDS))


def test_wrong_results_are_found():
    with pytest.raises(ValueError, match="wrong results"):
        check(Wrong(), OPERATIONS["add"].bind(Wrong(), 16))


def test_session_skips_what_a_library_cannot():
    session = Session(f"{__name__}:Plain", 2048, 1)
    assert session.describe()["packing"] == {"values_per_ciphertext": 3, "bytes_per_ciphertext": 12}
    assert session.ready("encrypt_owner", 0.01) == {"batch": 0}
    assert session.ready("add", 0.001)["batch"] >= 16
    assert 0 < session.sample(0.001)["seconds"] < 0.1


def test_veilsum_worker_runs_in_its_own_process():
    ours = Library("veilsum", "peers.adapters.veilsum:Veilsum")
    with Worker(ours, install.interpreter(()), key_bits=2048, num_threads=1) as worker:
        assert worker.ask("describe")["packing"]["values_per_ciphertext"] > 80
        assert worker.ask("ready", operation="encrypt_owner", seconds=0.01)["batch"] >= 16
        assert worker.ask("sample", seconds=0.01)["seconds"] > 0


def test_worker_says_why_it_cannot():
    no_kernel = libraries.ours("abacus")[0]
    with Worker(no_kernel, install.interpreter(()), key_bits=2048, num_threads=1) as worker:
        with pytest.raises(WorkerError, match="VEILSUM_ISA"):
            worker.ask("describe")
    with Worker(PEER, "/bin/false", key_bits=2048, num_threads=1) as worker:
        with pytest.raises(WorkerError, match="stopped"):
            worker.ask("describe")


def test_failed_installation_gives_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(install, "HOME", tmp_path)
    with pytest.raises(install.NotInstallableError, match="no-such-python"):
        install.interpreter(("phe>=1.5",), base="no-such-python")
    messages = "WARNING: something\nERROR: first\nERROR: No matching distribution found for x\nnote"
    assert install._reason(messages) == "No matching distribution found for x"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1234, "0.123"),
        (12.34, "12.3"),
        (1234.5, "1,230"),
        (999_999, "1,000,000"),
        (2.5e6, "2.5 M"),
    ],
)
def test_numbers_have_three_digits(value, text):
    assert number(value) == text
