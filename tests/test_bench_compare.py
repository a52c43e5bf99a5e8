"""Libraries side by side, on made-up ones: turns, ratios, tables, JSON, charts, gaps, workers."""

import io
import itertools
import json
import math
import re

import mpmath
import numpy as np
import pytest
from rich.console import Console

from bench import charts, libraries, machine, process
from bench.adapter import Adapter
from bench.adapters.noise import Sfc64
from bench.adapters.veilsum_noise import Int32, Int64, RandomBytes
from bench.compare import SECTIONS, Turns, operations_of
from bench.draws import DRAWS, QUICK_DRAWS, Sampler, random_bytes_per_sample
from bench.libraries import NUMPY_NOISE, Library
from bench.memory import measure_memory
from bench.operations import NUM_ADDENDS, OPERATIONS, check
from bench.process import LibraryError, Worker
from bench.records import Run, first_of_ours, times_as_fast
from bench.report import TIMES, WIDTH, beside_bytes, beside_numpy, print_report
from bench.tables import number
from bench.worker import Session
from bench.workload import PHASES

OURS, SLOW = Library("veilsum fast", "", quick=True), Library("veilsum slow", "")
INT32, BYTES = Library("veilsum fast, int32", ""), Library("veilsum fast, random bytes alone", "")
PEER, OTHER = Library("peer", ""), Library("other", "")
NUMPY, ABSENT = Library(NUMPY_NOISE, ""), Library("absent", "")
SECONDS = {
    "veilsum fast": [1e-6, 9e-6, 1e-6],  # The median does not see the 9.
    "veilsum slow": [1e-5],
    "veilsum fast, int32": [2e-6],
    "veilsum fast, random bytes alone": [0.8e-6],
    "peer": [1e-4],
    "other": [5e-7],
    NUMPY_NOISE: [5e-6],
}


class Plain(Adapter):
    """No encryption at all: ciphertexts are lists of the values."""

    packages = ("numpy",)
    values_per_ciphertext = 3

    def __init__(self, key_bits=2048, num_threads=1):
        pass

    def encrypt(self, plaintexts):
        return list(plaintexts)

    decrypt = encrypt

    def add(self, left, right):
        return [a + b for a, b in zip(left, right, strict=True)]

    def multiply(self, ciphertexts, scalars):
        return [c * scalar for c, scalar in zip(ciphertexts, scalars, strict=True)]

    def group_sum(self, ciphertexts, groups, num_groups):
        return [
            sum(c for c, group in zip(ciphertexts, column, strict=True) if group == wanted)
            for column in groups.T.tolist()
            for wanted in range(num_groups)
        ]

    def num_bytes(self, ciphertexts):
        return 12 * len(ciphertexts)


class Wrong(Plain):
    def add(self, left, right):
        return left


class FakeWorker:
    """Answers at once, with the seconds it was told, in this order."""

    order: list[str] = []  # noqa: RUF012
    fails_at = None

    def __init__(self, library, key_bits, num_threads):
        self.library, self.key_bits = library, key_bits
        self.seconds = itertools.cycle(SECONDS.get(library.name, [1.0]))

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass

    def send(self, request, **arguments):
        self.request = request, arguments

    def receive(self):
        request, arguments = self.request
        name, ours = self.library.name, self.library.is_ours
        what = arguments.get("operation") or arguments.get("draw")
        if self.library is ABSENT or (what and what == self.fails_at):
            raise LibraryError("there is no such kernel")
        if request == "describe":
            nature = {"values_per_ciphertext": 3, "bytes_per_ciphertext": 12.0}
            if not self.key_bits:
                nature = {"exact": ours, "secure": name != NUMPY_NOISE, "remark": "a remark"}
            return {"versions": {"peer": "1.2"}, "kernel": None, **nature}
        if request in ("ready", "ready_to_draw"):
            cannot = what in ("encrypt_owner", "encrypt_pool") or what.startswith("laplace")
            return {"batch": 0 if cannot and not ours and name != NUMPY_NOISE else 64}
        if request == "sample":
            self.order.append(name)
            seconds = next(self.seconds)
            return {"seconds": seconds, "processor_seconds": seconds}
        phases = {"encode": 0.1, "encrypt": 1.0, "add": 0.01, "decrypt": next(self.seconds)}
        phases["noise"] = 0.025 if ours else 0.0
        return {"seconds": phases, "bytes": 1_500_000, "max_error": 1e-5}

    def ask(self, request, **arguments):
        self.send(request, **arguments)
        return self.receive()


def turns(start=FakeWorker):
    run = Run(machine.describe({"kernel": "fast"}), {"rounds": 3})
    return Turns(run, start, lambda step: None, 3, 0.1)


@pytest.fixture(scope="module")
def run():
    FakeWorker.order.clear()
    measuring = turns()
    for key_bits in (2048, 3072):
        measuring.operations([OURS, SLOW, PEER, OTHER, ABSENT], key_bits, 1)
    measuring.updates([(OURS, 2048), (OTHER, 0), (ABSENT, 0)], 1, 10, 3)
    measuring.noise([OURS, INT32, BYTES, NUMPY, PEER, ABSENT], tuple(DRAWS), 1)
    measuring.noise([OURS], tuple(DRAWS), 2)
    few = {"dims": [100, 200], "num_contributors": [1, 3]}
    measure_memory(measuring.run, key_bits=2048, progress=lambda step: None, **few)
    return measuring.run


def timing(run, library, operation, key_bits=2048, threads=1):
    wanted = {"key_bits": key_bits, "threads": threads, "operation": operation}
    return run.one("timings", library=library.name, **wanted)


# ---- records ----


def test_ratios_come_from_medians(run):
    for library, ratio in ((PEER, 100), (SLOW, 10), (OTHER, 0.5)):
        found = timing(run, library, "add")
        assert times_as_fast(first_of_ours(run, found), found) == pytest.approx(ratio)
    assert first_of_ours(run, timing(run, OURS, "add")) is None
    assert timing(run, PEER, "encrypt_pool") is None


def test_ratios_of_noise_are_to_numpy_and_to_random_bytes(run):
    ours, int32, alone, peer = (
        timing(run, library, "gaussian 5.3", 0) for library in (OURS, INT32, BYTES, PEER)
    )
    assert beside_numpy(run, ours) == pytest.approx(5)
    assert beside_numpy(run, peer) == pytest.approx(0.05)
    assert beside_bytes(run, ours) == pytest.approx(1.25)
    assert beside_bytes(run, int32) == pytest.approx(2.5)
    assert beside_bytes(run, alone) is beside_bytes(run, peer) is None
    two_threads = timing(run, OURS, "gaussian 5.3", 0, threads=2)
    assert beside_numpy(run, two_threads) == pytest.approx(5)  # numpy has one thread.
    assert beside_bytes(run, two_threads) is None  # The bytes have one thread.


def test_libraries_take_turns(run):
    names = [library.name for library in (OURS, SLOW, PEER, OTHER)]
    assert FakeWorker.order[:4] == names
    assert FakeWorker.order[4:8] == names[1:] + names[:1]


def test_what_is_missing_is_reported_and_the_rest_goes_on(run):
    assert run.missing == {"absent": "there is no such kernel"}
    of_ciphers = [one for one in run.all("timings") if one["operation"] in OPERATIONS]
    assert len(of_ciphers) == 2 * (2 * 8 + 2 * 6)
    assert timing(run, PEER, "laplace 5.3", 0) is None
    assert len(run.all("timings")) - len(of_ciphers) == 5 * len(DRAWS) - 3 + len(DRAWS)


def test_library_that_fails_in_one_operation_keeps_the_others(monkeypatch):
    monkeypatch.setattr(FakeWorker, "fails_at", "add")
    measuring = turns()
    measuring.operations([PEER], 2048, 1)
    assert measuring.run.missing == {"peer: add": "there is no such kernel"}
    found = [one["operation"] for one in measuring.run.all("timings")]
    assert found == ["encrypt", "decrypt", "sum", "group_sum", "multiply"]


def test_sums_of_groups_are_a_section_of_their_own():
    everything, groups = operations_of(SECTIONS), operations_of(["groups", "noise"])
    assert everything == list(OPERATIONS)
    assert groups == ["group_sum"]
    assert operations_of(["operations"]) == [name for name in everything if name not in groups]
    assert operations_of(["noise", "floats"]) == []
    measuring = turns()
    measuring.operations([OURS, PEER], 2048, 1, groups)
    assert [one["operation"] for one in measuring.run.all("timings")] == ["group_sum"] * 2


def test_json_is_the_records_and_gives_them_again(run, tmp_path):
    run.write(tmp_path / "a.json")
    data = json.loads((tmp_path / "a.json").read_text())
    assert Run.from_dict(data) == run
    assert {"processor", "num_processors", "system", "compiler", "commit"} <= set(data["machine"])
    assert data["timings"][0]["seconds"] == [1e-6, 9e-6, 1e-6]
    assert data["updates"][0]["seconds"]["encrypt"] == [1.0, 1.0, 1.0]
    with pytest.raises(ValueError, match="format"):
        Run.from_dict({**data, "format": 1})


# ---- tables and charts ----


def test_tables_show_libraries_ratios_and_gaps(run):
    output = io.StringIO()
    print_report(Console(file=output, width=WIDTH), run)
    text = output.getvalue()
    for line in (
        *("2048 bits, one thread", "3072 bits, one thread", "peer 1.2", f"{TIMES}100"),
        *("absent: there is no such kernel", "Workload W: an update of 10 float32"),
        *("Discrete Gaussian noise, one thread", "Discrete Laplace noise, 2 threads"),
        f"{OURS.name}; {INT32.name}; {NUMPY_NOISE}; peer: a remark",
    ):
        assert line in text
    assert re.search(r"veilsum fast, 2048 bits, one thread +0\.1 +0\.025 +1 +1\.5 +0\.01", text)
    assert re.search(r"peer 1\.2 +2048 +3 +4", text)  # 3 values, 12 bytes.
    assert re.search(rf"({TIMES}5 +){{3}}{TIMES}5", text)
    assert re.search(rf"peer 1\.2 +no +yes( +{TIMES}0\.05){{4}}", text)
    assert re.search(r"numpy SFC64 1\.2 +no +no( +200,000){4}", text)  # And no ratio.
    assert re.search(r"veilsum fast, int32( +2\.5){7}", text)
    assert text.count(BYTES.name) == 0  # It draws no noise.


def test_charts_are_drawn(run, tmp_path):
    written = charts.write_charts(run, tmp_path / "x")
    ends = ("-1-threads", "-update", "-noise", "-memory")
    assert written == [tmp_path / f"x{end}.png" for end in ends]
    assert min(path.stat().st_size for path in written) > 5000


def test_memory_is_of_each_length_and_number(run):
    sizes = [(one["dim"], one["num_contributors"]) for one in run.all("memory")]
    assert sizes == [(100, 1), (100, 3), (200, 1), (200, 3)]
    assert all(one["peak_bytes"] >= one["baseline_bytes"] > 1e6 for one in run.all("memory"))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((0.1234, "0.123"), (12.34, "12.3"), (1234.5, "1,230"), (999_999, "1,000,000")),
        *((2.5e6, "2.5 M"), (0, "0"), (0.00012, "0.0001"), (-7.53, "-7.53")),
    ],
)
def test_numbers_have_three_digits(value, text):
    assert number(value) == text


# ---- what is timed ----


@pytest.mark.parametrize("operation", sorted(set(OPERATIONS) - {"encrypt_owner", "encrypt_pool"}))
def test_operations_compute_what_they_say(operation):
    count = max(NUM_ADDENDS, OPERATIONS[operation].smallest_batch)
    check(Plain(), OPERATIONS[operation].bind(Plain(), count))


def test_wrong_results_are_found():
    with pytest.raises(ValueError, match="wrong results"):
        check(Wrong(), OPERATIONS["add"].bind(Wrong(), 16))


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
@pytest.mark.parametrize("sampler", [Int64, Int32, Sfc64])
def test_samplers_draw_what_they_say(sampler, draw):
    one = sampler(0, 1)
    samples = one.sampler(draw, 10_000)()
    one.check(draw, samples)
    with pytest.raises(ValueError, match="wrong noise"):
        one.check(draw, 1.2 * samples)


def test_random_bytes_follow_the_acceptance():
    """docs/noise.md: 8 or 12 bytes a candidate, 0.91 to 0.95 or 0.79 to 0.88 of them accepted."""
    for name, draw in DRAWS.items():
        acceptance = (12 if draw.scale == 2**21 else 8) / random_bytes_per_sample(draw)
        low, high = (0.905, 0.955) if draw.kind == "gaussian" else (0.785, 0.885)
        assert low < acceptance < high, name
    # One sum done slowly: scale 5.3 has strips of 2; every candidate of strip i has height h_i.
    height = [mpmath.exp(-mpmath.mpf(2 * i) / 5.3) for i in range(63)]
    mass = mpmath.nsum(lambda z: mpmath.exp(-abs(z) / 5.3), [-200, 200])
    expected = 8 * 4 * sum(height) / mass
    assert math.isclose(random_bytes_per_sample(DRAWS["laplace 5.3"]), expected, rel_tol=1e-6)


def test_random_bytes_alone_are_as_many_as_the_samples_take(monkeypatch):
    filled = []
    monkeypatch.setattr("bench.adapters.veilsum_noise.random_bytes", filled.append)
    draw = DRAWS["gaussian 1000.7"]
    RandomBytes(0, 1).sampler(draw, 1000)()
    assert [(out.dtype, out.nbytes) for out in filled] == [(np.uint8, 8408)]
    with pytest.raises(NotImplementedError):  # The generator has one thread.
        RandomBytes(0, 2).sampler(draw, 1000)


def test_our_kernels_draw_both_types_and_bytes():
    names = [library.name for library in libraries.our_noise("avx2")]
    assert len(names) == 9
    assert names[:3] == ["veilsum avx2", "veilsum avx2, int32", "veilsum avx2, random bytes alone"]
    for name in names:
        assert libraries.random_bytes_of(name.removesuffix(", random bytes alone")) in names
    assert [name for name in names if libraries.is_random_bytes(name)] == names[2::3]


# ---- workers ----


def test_session_skips_what_a_library_cannot():
    session = Session(f"{__name__}:Plain", 2048, 1)
    assert session.describe()["bytes_per_ciphertext"] == 12
    assert session.ready("encrypt_owner", 0.01) == {"batch": 0}
    assert session.ready("add", 0.001)["batch"] >= 16
    assert 0 < session.sample(0.001)["seconds"] < 0.1


@pytest.mark.parametrize("draw", QUICK_DRAWS)
def test_session_draws_and_times(draw, monkeypatch):
    monkeypatch.setattr(Int64, "num_samples", lambda self, draw: 1000)
    session = Session("bench.adapters.veilsum_noise:Int64", 0, 1)
    assert session.describe()["exact"] is True
    assert session.ready_to_draw(draw) == {"batch": 1000}
    assert 0 < session.sample(0.001)["seconds"] < 0.01
    monkeypatch.setattr(Int64, "sampler", lambda self, draw, count: lambda: np.zeros(count))
    with pytest.raises(ValueError, match="wrong noise"):
        session.ready_to_draw(draw)


def test_sampler_is_abstract():
    with pytest.raises(TypeError, match="abstract"):
        Sampler(0, 1)  # type: ignore[abstract]


def test_veilsum_worker_runs_in_its_own_process():
    ours = Library("veilsum", "bench.adapters.veilsum:Veilsum")
    with Worker(ours, process.interpreter(()), key_bits=2048) as worker:
        assert worker.ask("describe")["values_per_ciphertext"] > 80
        for operation in ("encrypt_owner", "encrypt_pool", "sum"):
            assert worker.ask("ready", operation=operation, seconds=0.01)["batch"] >= 16
            assert worker.ask("sample", seconds=0.01)["seconds"] > 0


@pytest.mark.parametrize("library", libraries.our_updates("portable"), ids=lambda one: one.name)
def test_every_way_of_ours_sums_an_update(library):
    session = Session(library.adapter, 2048, 1)
    found = session.update(3000)
    assert set(found["seconds"]) == set(PHASES)
    assert all(seconds > 0 for seconds in found["seconds"].values())
    assert found["max_error"] < 1e-3
    assert found["bytes"] > 2 * 3000  # 16-bit values, with room for their sum.


def test_worker_says_why_it_cannot():
    with Worker(libraries.ours("abacus")[0], process.interpreter(()), key_bits=2048) as worker:
        with pytest.raises(LibraryError, match="VEILSUM_ISA"):
            worker.ask("describe")
    with Worker(PEER, "/bin/false") as worker, pytest.raises(LibraryError, match="stopped"):
        worker.ask("describe")


def test_failed_installation_gives_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(process, "HOME", tmp_path)
    with pytest.raises(LibraryError, match="no-such-python"):
        process.interpreter(("phe>=1.5",), base="no-such-python")
    messages = "WARNING: something\nERROR: first\nERROR: No matching distribution found for x\nnote"
    assert process._reason(messages) == "No matching distribution found for x"
