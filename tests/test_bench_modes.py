"""The modes of ./run bench: options, what each writes, and what needs no library to be seen."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from bench import __main__ as program
from bench import bound, installs, libraries, rounds, timing
from bench.documents import DOCUMENTS
from bench.libraries import LEAKY, Library
from bench.machine import ROOT
from bench.records import Run, read
from bench.report import beside_bytes, tables
from bench.worker import Session


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "name one mode"),
        ("--quick --peers", "name one mode"),
        ("--timing --memory", "name one mode"),
        ("--documents --quick", "name one mode"),
        ("--quick --dim 5", "--dim is not for"),
        ("--federation --rounds 2", "--rounds is not for"),
        ("--quick --key-bits 2047", "--key-bits must be"),
        ("--quick --rounds 0", "--rounds must be positive"),
        ("--timing --seconds nan", "--seconds must be positive"),
        ("--federation --measured 1", "--measured must be"),
        ("--quick --only nothing", "invalid choice"),
    ],
)
def test_options_of_another_mode_and_wrong_ones_are_refused(arguments, message, capsys):
    with pytest.raises(SystemExit, match="2"):
        program.parse(arguments.split())
    assert message in capsys.readouterr().err


def test_a_mode_has_its_own_defaults():
    options, modes = program.parse(["--peers", "--memory", "--rounds", "7"])
    assert modes == ["peers", "memory"]
    assert (options.rounds, options.seconds, options.key_bits) == (7, 0.3, [2048, 3072])
    options, _ = program.parse(["--scale"])
    assert (options.dim, options.key_bits, options.rounds) == (10_000_000, [3072], None)
    options, _ = program.parse(["--federation", "--dim", "9"])
    assert (options.dim, options.contributors, options.measured) == (9, 100, 3)


def test_a_quick_run_writes_json_and_a_chart(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("bench.draws.NUM_SAMPLES", 1000)
    arguments = "--quick --only noise --rounds 1 --seconds 0.001 --json".split()
    program.main([*arguments, str(tmp_path / "a.json"), "--out", str(tmp_path)])
    run = read(tmp_path / "a.json")
    assert run.settings["modes"] == ["quick"]
    assert run.settings["only"] == ["noise"]
    assert run.missing == {}
    ours = next(one for one in run.all("timings") if one["library"].startswith("veilsum"))
    assert beside_bytes(run, ours) > 0.2
    assert len(list(tmp_path.glob("quick-*-noise.png"))) == 1
    assert "Discrete Gaussian noise, one thread" in capsys.readouterr().out


def test_a_round_in_process_writes_json(tmp_path, capsys, monkeypatch):
    def measure(run, options, progress):
        progress("a step")
        run.add("workers", name="two", per_second=float(options.seconds))

    monkeypatch.setitem(program.MODES, "timing", (measure, "", {"seconds": 10.0}))
    program.main(["--timing", "--out", str(tmp_path / "new")])
    [path] = (tmp_path / "new").glob("timing-*.json")
    assert json.loads(path.read_text())["workers"] == [{"name": "two", "per_second": 10.0}]
    assert "a step" in capsys.readouterr().err


def test_documents_are_up_to_date_already(capsys):
    before = [path.read_bytes() for path in DOCUMENTS]
    program.main(["--documents"])
    assert [path.read_bytes() for path in DOCUMENTS] == before
    assert capsys.readouterr().out == ""


def test_help_names_every_mode():
    command = [sys.executable, "-m", "bench", "--quick", "--help"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert all(f"--{mode}" in text for mode in (*program.MODES, "documents"))


def test_kernels_and_pytest_take_over(monkeypatch):
    class ProcessEndsError(Exception):
        pass

    def become(program, *arguments):
        raise ProcessEndsError([program, *arguments])

    monkeypatch.setattr(program, "_become", become)
    monkeypatch.setattr(program, "build_kernels", lambda: "veilsum_bench")
    wanted = [sys.executable, "-m", "pytest", "bench", "--benchmark-only", "-k", "codec"]
    for given, called in (
        (["-k", "codec"], wanted),
        ([], wanted[:-2]),
        (["--kernels", "--csv"], ["veilsum_bench", "--csv"]),
    ):
        with pytest.raises(ProcessEndsError) as caught:
            program.main(given)
        assert caught.value.args == (called,)


# ---- timing ----


def test_time_and_size_of_noise_that_go_together_are_found():
    generator = np.random.default_rng(1)
    sizes = np.abs(generator.normal(size=4000))
    noise = generator.normal(size=4000)
    told = timing.correlate(1000 + 100 * sizes + 10 * noise, sizes)
    assert told["is_leak"]
    assert told["pearson"]["low"] > 0.8
    assert told["group_times"] == sorted(told["group_times"])
    quiet = timing.correlate(1000 + 10 * noise, sizes)
    assert not quiet["is_leak"]
    assert quiet["num_calls"] == 4000
    assert quiet["rank"]["low"] < 0 < quiet["rank"]["high"]


def test_calls_are_timed_one_by_one():
    answer = Session(LEAKY.adapter, 0, 1).time_calls("gaussian 1000.7", 10, 5, 10.0)
    assert len(answer["nanoseconds"]) == len(answer["magnitudes"]) == 5
    assert min(answer["nanoseconds"]) > 0
    assert 100 < np.mean(answer["magnitudes"]) < 3000


def test_every_case_is_asked_for_and_a_missing_one_is_named(monkeypatch):
    class Told:
        def __init__(self, library, python):
            if library.name == "OpenDP":
                raise timing.LibraryError("not today")

        def __enter__(self):
            return self

        def __exit__(self, *exception):
            pass

        def ask(self, request, **arguments):
            return {"nanoseconds": list(range(100, 120)), "magnitudes": list(range(20))}

    monkeypatch.setattr(timing, "Worker", Told)
    monkeypatch.setattr(timing, "interpreter", lambda requirements, base: base)
    options, _ = program.parse(["--timing"])
    run = Run({}, {})
    timing.measure_timing(run, options, lambda step: None)
    assert run.missing == {"OpenDP": "not today"}
    assert len(run.all("correlations")) == 2 * (4 + 2 + 4 + 3)
    assert all(case["is_leak"] for case in run.all("correlations"))


# ---- bound ----


def test_operations_stand_beside_their_multiplications():
    found, run = Run({}, {}), Run({}, {})
    for operation in ("encrypt", "encrypt_owner", "decrypt", "add", "sum", "multiply"):
        found.add("timings", operation=operation, key_bits=8, processor_seconds=[3e-6, 2e-6, 9e-6])
    names = ("multiply", "add a plaintext", "fixed base, per bit", "multiply in a product")
    lines = [f"{name},8,1000,50.0" for name in names]
    lines += ["fixed base, per bit,4,100,0.0", "power, per bit,4,500,0.0"]
    bound.beside_kernels(run, "\n".join(lines), found)
    kernels = {one["operation"]: one["kernel_microseconds"] for one in run.all("operations")}
    wanted = {"encrypt": 5.0, "encrypt_owner": 5.8, "decrypt": 4.0, "add": 1.0, "sum": 1.0}
    assert kernels == pytest.approx(wanted)  # Of a product with a scalar nothing is known.
    assert {one["microseconds"] for one in run.all("operations")} == {3.0}
    assert [one["percent"] for one in run.all("madd52_shares")] == [50.0] * 4


def test_encryptions_of_two_processes_add_up(monkeypatch):
    class Half:
        def __enter__(self):
            return self

        def __exit__(self, *exception):
            pass

        def ask(self, request, **arguments):
            return {"batch": 64}

        def send(self, request, **arguments):
            pass

        def receive(self):
            return {"seconds": 0.5}

    monkeypatch.setattr(bound, "_start", lambda *arguments: Half())
    core = [min(bound.os.sched_getaffinity(0))]
    assert bound.encryptions_per_second(Library("veilsum", ""), [core, core]) == 4.0
    assert core[0] in bound.os.sched_getaffinity(0)


# ---- whole rounds ----


def asked_for(monkeypatch, measure, *arguments):
    """The libraries that a mode plays rounds with, and what it tells them."""
    asked = []
    monkeypatch.setattr(rounds, "interpreter", lambda requirements, base: base)
    monkeypatch.setattr(rounds, "install_veilsum", lambda python: None)
    monkeypatch.setattr(rounds, "_play", lambda *arguments, **more: {"parties": []})
    monkeypatch.setattr(rounds, "_safe_key", lambda *arguments: None)
    monkeypatch.setattr(
        rounds, "add_peer", lambda run, library, python, size, **more: asked.append((library, more))
    )
    options, _ = program.parse(list(arguments))
    run = Run({}, {})
    measure(run, options, lambda step: None)
    assert run.missing == {}
    return asked


def test_every_framework_has_its_round(monkeypatch):
    asked = asked_for(monkeypatch, rounds.measure_frameworks, "--frameworks")
    assert [library.name for library, _ in asked] == [
        "Flower, plain FedAvg",
        "Flower, SecAgg+",
        "NVFlare, CKKS",
        "veilsum in Flower, authority",
        "veilsum in Flower, threshold",
        "veilsum in Flower, threshold, passphrases",
    ]
    assert [more.get("num_shares") for _, more in asked] == [None, 10, None, None, None, None]
    assert [more["key_bits"] for _, more in asked] == [0, 0, 0, 3072, 3072, 3072]


def test_every_library_names_a_class_that_there_is(monkeypatch):
    asked = asked_for(monkeypatch, rounds.measure_frameworks, "--frameworks")
    everything = [library for library, _ in asked]
    everything += [*libraries.PEERS, *libraries.NOISE_PEERS, libraries.LEAKY, libraries.CKKS]
    for ours in (libraries.ours, libraries.our_updates, libraries.our_noise):
        everything += ours("avx2")
    everything += [libraries.PLAIN_ROUND, libraries.SECAGG_ROUND, libraries.CKKS_ROUND]
    for library in everything:
        module, _, name = library.adapter.partition(":")
        source = (ROOT / module.replace(".", "/")).with_suffix(".py").read_text()
        assert re.search(rf"^class {name}\b", source, re.MULTILINE), library


def test_sizes_are_two_lines_that_cross():
    sizes = rounds.sizes(1_000_000, 1_000)
    assert [size.dim for size in sizes if size.num_contributors == 10] == [10**4, 10**5, 10**6]
    assert [size.num_contributors for size in sizes if size.dim == 10**5] == [10, 100, 1_000]
    assert len(sizes) == len(set(sizes)) == 5


# ---- what it takes to have a library ----


def test_the_newest_wheel_of_this_python_is_taken(tmp_path):
    tag = f"cp3{sys.version_info.minor}"
    for age, name in enumerate((f"1-{tag}-{tag}-a", f"2-{tag}-{tag}-a", "3-cp27-cp27-a")):
        wheel = tmp_path / f"veilsum-{name}.whl"
        wheel.touch()
        os.utime(wheel, (age, age))
    assert installs.wheel_of_this_python(tmp_path).name == f"veilsum-2-{tag}-{tag}-a.whl"


def test_without_a_wheel_it_tells_how_to_make_one(tmp_path):
    with pytest.raises(ValueError, match=r"by \./run wheel"):
        installs.wheel_of_this_python(tmp_path)


def test_installs_show_the_median_beside_numpy():
    run = Run({}, {})
    for name, seconds in (("numpy", [0.3, 0.1, 0.2]), ("veilsum", [0.1, 0.1, 9])):
        what = {"library": name, "version": "1", "wheel_bytes": 2e6, "installed_bytes": 5e6}
        run.add("installs", **what, seconds=seconds)
    [table] = [table for table in tables(run) if table.rows]
    assert table.rows == [["numpy 1", 2, 5, 200, 1], ["veilsum 1", 2, 5, 100, 0.5]]
