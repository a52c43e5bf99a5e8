"""The benchmark of noise: what is drawn, ratios, tables, JSON, chart."""

import io
import json
import math
import re

import mpmath
import numpy as np
import pytest
from peers import chart_noise, libraries, machine
from peers.adapters.numpy_noise import Sfc64
from peers.adapters.veilsum_noise import Int32, Int64, RandomBytes
from peers.draws import DRAWS, QUICK_DRAWS, Quality, Sampler, random_bytes_per_sample
from peers.libraries import NUMPY_NOISE, Library
from peers.measure import measure_noise
from peers.process import WorkerError
from peers.report import WIDTH, print_report
from peers.results import Results
from peers.worker import Session
from rich.console import Console

OURS = Library("veilsum fast", "")
OURS_INT32 = Library("veilsum fast, int32", "")
OUR_BYTES = Library(libraries.random_bytes_of(OURS.name), "")
NUMPY = Library(NUMPY_NOISE, "")
PEER = Library("peer", "")
ABSENT = Library("absent", "")

EVERYTHING = [OURS, OURS_INT32, OUR_BYTES, NUMPY, PEER, ABSENT]
SECONDS = dict(
    zip([library.name for library in EVERYTHING], [1e-9, 2e-9, 0.8e-9, 5e-9, 1e-5, 1], strict=True)
)


class FakeSampler:
    """Answers at once, with the seconds it was told."""

    def __init__(self, library):
        self.library = library

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
            quality = Quality(self.library.is_ours, self.library is not NUMPY, "a remark")
            return {"versions": {"x": "1.2"}, "kernel": None, "quality": quality._asdict()}
        if request == "ready_to_draw":
            if self.library is PEER and arguments["draw"].startswith("laplace"):
                return {"batch": 0}
            return {"batch": 50_000 if self.library is PEER else 10_000_000}
        seconds = SECONDS[self.library.name]
        return {"seconds": seconds, "processor_seconds": seconds}

    def ask(self, request, **arguments):
        self.send(request, **arguments)
        return self.receive()


def start(library, key_bits, num_threads):
    return FakeSampler(library)


@pytest.fixture
def results():
    found = Results(machine.describe({"kernel": "fast"}), {"rounds": 3})
    for num_threads, present in ((1, EVERYTHING), (2, [OURS])):
        measure_noise(
            found,
            present,
            start,
            draws=tuple(DRAWS),
            num_threads=num_threads,
            num_rounds=3,
            seconds=0.1,
            progress=lambda step: None,
        )
    return found


def test_ratios_are_to_numpy_and_to_random_bytes(results):
    ours, int32, random_bytes, peer = (
        results.noise_timing(library.name, 1, "gaussian 5.3")
        for library in (OURS, OURS_INT32, OUR_BYTES, PEER)
    )
    assert results.noise_ratio(ours) == pytest.approx(5)
    assert results.noise_ratio(peer) == pytest.approx(5e-4)
    assert results.our_noise_ratio(peer) == pytest.approx(10_000)
    assert results.our_noise_ratio(int32) is None
    assert results.bytes_ratio(ours) == pytest.approx(1.25)
    assert results.bytes_ratio(int32) == pytest.approx(2.5)
    assert results.bytes_ratio(random_bytes) is None
    assert results.bytes_ratio(peer) is None
    two_threads = results.noise_timing(OURS.name, 2, "gaussian 5.3")
    assert results.noise_ratio(two_threads) == pytest.approx(5)  # numpy has one thread.
    assert results.bytes_ratio(two_threads) is None  # The bytes have one thread.


def test_missing_and_impossible_draws_are_left_out(results):
    assert results.missing == {"absent": "there is no such kernel"}
    assert results.noise_timing(PEER.name, 1, "laplace 5.3") is None
    assert len(results.noise) == 5 * len(DRAWS) - 3 + len(DRAWS)


def test_tables_say_what_a_sample_is_worth(results):
    output = io.StringIO()
    print_report(Console(file=output, width=WIDTH), results)
    text = output.getvalue()
    assert "Discrete Gaussian noise, one thread" in text
    assert "Discrete Laplace noise, 2 threads" in text
    times = "\N{MULTIPLICATION SIGN}"
    assert re.search(rf"{times}5 +{times}5 +{times}5 +{times}5", text)
    assert re.search(r"peer 1\.2 +no +yes +50,000( +1/2,000){4}", text)
    assert re.search(r"peer 1\.2( +10,000){4}( +-){3}", text)
    assert re.search(r"numpy SFC64 1\.2 +no +no +10 M( +200 M){4}", text)  # And no ratio.
    assert re.search(r"peer 1\.2 +no +yes( +-){4}", text)
    assert re.search(r"veilsum fast, int32( +2\.50){7}", text)
    assert f"{OURS.name}; {OURS_INT32.name}; {NUMPY.name}; {PEER.name}: a remark" in text
    assert OUR_BYTES.name not in text  # It draws no noise.


def test_json_has_samples_quality_and_ratios(results):
    lines = json.loads(json.dumps(results.to_dict()))["noise"]
    assert len(lines) == len(results.noise)
    first = lines[0]
    assert (first["library"], first["distribution"]) == (OURS.name, "gaussian 5.3")
    assert first["seconds"]["samples"] == [1e-9] * 3
    assert first["exact"] is first["secure"] is True
    assert first["numpy_ratio"] == pytest.approx(5)
    assert first["random_bytes_ratio"] == pytest.approx(1.25)


def test_chart_is_drawn(results, tmp_path):
    chart_noise.plot_noise(results, tmp_path / "noise.png")
    assert (tmp_path / "noise.png").stat().st_size > 5000


def test_our_kernels_draw_both_types_and_bytes():
    names = [library.name for library in libraries.our_noise("avx2")]
    assert len(names) == 9
    assert names[:3] == ["veilsum avx2", "veilsum avx2, int32", "veilsum avx2, random bytes alone"]
    for name in names:
        assert libraries.random_bytes_of(name.removesuffix(", random bytes alone")) in names
    assert [name for name in names if libraries.is_random_bytes(name)] == names[2::3]


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
@pytest.mark.parametrize("sampler", [Int64, Int32, Sfc64])
def test_samplers_draw_what_they_say(sampler, draw):
    one = sampler(0, 1)
    samples = one.sampler(draw, 10_000)()
    one.check(draw, samples)
    with pytest.raises(ValueError, match="wrong noise"):
        one.check(draw, 1.2 * samples)


@pytest.mark.parametrize("draw", QUICK_DRAWS)
def test_session_draws_and_times(draw, monkeypatch):
    monkeypatch.setattr(Int64, "num_samples", lambda self, draw: 1000)
    session = Session("peers.adapters.veilsum_noise:Int64", 0, 1)
    assert session.describe()["quality"]["exact"] is True
    assert session.ready_to_draw(draw) == {"batch": 1000}
    assert 0 < session.sample(0.001)["seconds"] < 0.01


def test_session_refuses_wrong_noise(monkeypatch):
    monkeypatch.setattr(Int64, "num_samples", lambda self, draw: 1000)
    monkeypatch.setattr(Int64, "sampler", lambda self, draw, count: lambda: np.zeros(count))
    with pytest.raises(ValueError, match="wrong noise"):
        Session("peers.adapters.veilsum_noise:Int64", 0, 1).ready_to_draw(QUICK_DRAWS[0])


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
    monkeypatch.setattr("veilsum.hazmat.random_bytes", filled.append, raising=False)
    draw = DRAWS["gaussian 1000.7"]
    RandomBytes(0, 1).sampler(draw, 1000)()
    assert [(out.dtype, out.nbytes) for out in filled] == [(np.uint8, 8408)]
    with pytest.raises(NotImplementedError):  # The generator has one thread.
        RandomBytes(0, 2).sampler(draw, 1000)


def test_sampler_is_abstract():
    with pytest.raises(TypeError, match="abstract"):
        Sampler(0, 1)  # type: ignore[abstract]
