"""The calculator of docs/calculator.md has the figures of the library."""

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import veilsum as vs
from veilsum.schemes import packing
from veilsum.sizes import contribution_size

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "docs" / "_static" / "codec_sizes.js"
NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="runs JavaScript with node (Debian: nodejs)")


def case(dim, value_bits, max_addends, key_bits, weight_bits=0, noise_bound=0, **choice):
    codec = {
        "dim": str(dim),
        "valueBits": str(value_bits),
        "weightBits": str(weight_bits),
        "maxAddends": str(max_addends),
        "noiseBound": str(noise_bound),
    }
    return (
        {"codec": codec, "keyBits": str(key_bits)} | {"scheme": "auto", "isShared": True} | choice
    )


def drawn_cases(count):
    draw = random.Random(20261201)
    for _ in range(count):
        value_bits = draw.randint(2, 41)
        yield case(
            round(10 ** draw.uniform(0, 9)),
            value_bits,
            round(10 ** draw.uniform(0, 8)),
            draw.choice([2047, 2048, 2049, 3072, 4096, 7680]),
            weight_bits=draw.choice([0, 0, draw.randint(0, 20)]),
            noise_bound=draw.choice([0, round(10 ** draw.uniform(0, 12))]),
            scheme=draw.choice(["auto", "packed", "masked"]),
            isShared=draw.random() < 0.7,
        )


EDGES = [
    case(1, 2, 1, 2048),
    case(1, 2, 1, 2048, scheme="masked"),
    case(10**6, 16, 100, 3072),
    case(10**6, 16, 2**24, 3072, scheme="masked"),
    case(10**6, 16, 2**24 + 1, 3072, scheme="masked"),
    case(1, 40, 2**21, 2047),
    case(1, 40, 2**22, 2047),
    case(1, 20, 1, 2048, weight_bits=20),
    case(1, 20, 1, 2048, weight_bits=21),
    case(2**40, 2, 1, 16384),
    case(2**40 + 1, 2, 1, 16384),
    case(0, 2, 1, 2048),
    case(5, 8, 3, 2048, noise_bound=2**61 - 1 - 127 * 3),
    case(5, 8, 3, 2048, noise_bound=2**61 - 127 * 3),
    case(100, 8, 3, 2048, scheme="packed", isShared=False),
]


def of_the_library(case):
    """What the library says of a case, or None where it refuses."""
    numbers = {name: int(value) for name, value in case["codec"].items()}
    key_bits = int(case["keyBits"])
    try:
        codec = vs.Codec(
            numbers["dim"],
            clip=1.0,
            value_bits=numbers["valueBits"],
            max_addends=numbers["maxAddends"],
            weight_bits=numbers["weightBits"],
            noise_bound=numbers["noiseBound"],
        )
        size = contribution_size(codec, key_bits, scheme=case["scheme"], is_shared=case["isShared"])
    except vs.InvalidArgumentError:
        return None
    return codec, size


def calculated(cases):
    sys.path.insert(0, str(ROOT / "docs" / "_ext"))
    try:
        from calculator_data import data
    finally:
        sys.path.pop(0)
    given = json.dumps({"strengths": data()["strengths"], "cases": cases})
    runner = ROOT / "tests" / "run_calculator.js"
    command = [NODE, str(runner), str(SCRIPT)]
    done = subprocess.run(command, input=given, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


@needs_node
def test_figures_are_those_of_the_library():
    cases = [*EDGES, *drawn_cases(400)]
    answers = calculated(cases)
    schemes = []
    for each, answer in zip(cases, answers, strict=True):
        wanted = of_the_library(each)
        assert (answer is None) == (wanted is None), each
        if wanted is None:
            schemes.append(None)
            continue
        codec, size = wanted
        schemes.append(size.scheme)
        assert answer["scheme"] == size.scheme, each
        assert int(answer["slotBits"]) == codec.slot_bits, each
        assert int(answer["maxSlot"]) == codec.max_slot, each
        assert int(answer["gridMax"]) == codec.weight_scale, each
        assert int(answer["numSlots"]) == codec.num_slots, each
        assert int(answer["numCiphertexts"]) == size.num_ciphertexts, each
        assert int(answer["numBytes"]) == size.num_bytes, each
        assert int(answer["numOpenedBytes"]) == size.num_opened_bytes, each
        if size.strength is None:
            n = (1 << (int(each["keyBits"]) - 1)) + 1
            wide = packing.layout(codec, n)
            assert int(answer["perPlaintext"]) == wide.slots_per_plaintext, each
        else:
            assert answer["strength"] == pytest.approx(size.strength, abs=1e-9), each
    assert min(schemes.count(name) for name in ("packed", "masked", None)) > 40


@needs_node
def test_so_many_addends_fit_the_same_slots():
    """The margin: that many leave the bits of a slot as they are, and one more does not."""
    cases = [case(9, bits, n, 2048, scheme="packed") for bits in (2, 8, 16) for n in (1, 5, 100)]
    for each, answer in zip(cases, calculated(cases), strict=True):
        codec, _ = of_the_library(each)
        fits = int(answer["addendsThatFit"])
        for num_addends, same in ((fits, True), (fits + 1, False)):
            other = vs.Codec(9, clip=1.0, value_bits=codec.value_bits, max_addends=num_addends)
            assert (other.slot_bits == codec.slot_bits) is same
