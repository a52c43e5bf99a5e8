"""Vectors of floats in libraries side by side, on made-up ones."""

import io

import pytest
from rich.console import Console

from bench import floats, libraries, machine
from bench.compare import Turns
from bench.floats import FLOAT_OPERATIONS, FloatAdapter, check_floats, weights
from bench.libraries import Library
from bench.records import Run
from bench.report import TIMES, WIDTH, print_report
from bench.worker import Session

OURS, PEER = Library("veilsum fast", ""), Library("peer", "")
SECONDS = {("veilsum fast", 2048): 0.01, ("peer", 1024): 0.5, ("peer", 2048): 2.0}


class Plain(FloatAdapter):
    """No encryption at all: ciphertexts are lists of the values."""

    packages = ("numpy",)

    def __init__(self, key_bits=2048, num_threads=1):
        pass

    def encrypt(self, values):
        return list(values)

    decrypt = encrypt

    def dot(self, encrypted, weights):
        return [sum(a * b for a, b in zip(encrypted, weights, strict=True))]


class Swapped(Plain):
    def encrypt(self, values):
        return list(values)[::-1]


class Coarse(Plain):
    def dot(self, encrypted, weights):
        return [round(value, 2) for value in super().dot(encrypted, weights)]


class Long(Plain):
    def dot(self, encrypted, weights):
        return super().dot(encrypted, weights) * 2


class FakeWorker:
    """Answers at once, with the seconds it was told."""

    def __init__(self, library, key_bits, num_threads):
        self.library, self.key_bits = library, key_bits

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass

    def send(self, request):
        pass

    def receive(self):
        return {"versions": {"peer": "1.2"}, "kernel": None, "dot_error": 3e-5}

    def ask(self, request, **arguments):
        if request == "ready_for_floats":
            return {"batch": 1}
        seconds = SECONDS[self.library.name, self.key_bits]
        return {"seconds": seconds, "processor_seconds": seconds}


def test_table_shows_seconds_beside_ours_whatever_the_size_of_key():
    run = Run(machine.describe({"kernel": "fast"}), {})
    cases = [(OURS, 2048), (PEER, 1024), (PEER, 2048)]
    Turns(run, FakeWorker, lambda step: None, 3, 0.1).floats(cases, 1)
    output = io.StringIO()
    print_report(Console(file=output, width=WIDTH), run)
    text = output.getvalue()
    assert "A vector of 128 floats and its product with a plain one, one thread" in text
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "veilsum fast 2048 0.01 0.01 0.01 3e-05" in lines
    for bits, seconds, times in ((1024, "0.5", "50"), (2048, "2", "200")):
        position = lines.index(" ".join([seconds] * 3))  # Names stand beside the second line.
        ratios = " ".join([f"{TIMES}{times}"] * 3)
        assert lines[position + 1] == f"peer 1.2 {bits} {ratios} 3e-05"


@pytest.mark.parametrize("operation", FLOAT_OPERATIONS)
def test_right_results_pass_and_wrong_ones_are_found(operation):
    check_floats(Plain(), operation)
    for adapter in (Swapped(), Coarse(), Long()):
        with pytest.raises(ValueError, match=r"wrong results|too many values"):
            check_floats(adapter, operation)


def test_session_times_floats():
    session = Session(f"{__name__}:Plain", 2048, 1)
    assert session.describe()["dot_error"] < 1e-12
    assert session.ready_for_floats("dot_floats") == {"batch": 1}
    assert 0 < session.sample(0.001)["seconds"] < 0.1


def test_ours_is_right():
    names = [library.name for library in libraries.our_floats("avx2")]
    assert names == ["veilsum avx2", "veilsum ifma", "veilsum portable"]
    session = Session(libraries.our_floats("avx2")[0].adapter, 2048, 1)
    assert session.describe()["dot_error"] < 1e-7
    for operation in FLOAT_OPERATIONS:
        assert session.ready_for_floats(operation) == {"batch": 1}


def test_operands_are_what_every_library_takes():
    for vector in (floats.values(), weights()):
        assert len(vector) == floats.NUM_FLOATS
        assert min(vector) > 0  # LightPHE refuses others.
        assert sum(value**2 for value in vector) == pytest.approx(1)


def test_lightphe_is_measured_at_its_usual_size_too():
    names = [library.name for library in libraries.FLOAT_PEERS]
    assert libraries.FLOAT_KEY_BITS == {"LightPHE": (1024, 2048)}
    assert set(libraries.FLOAT_KEY_BITS) <= set(names)
