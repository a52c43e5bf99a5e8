"""``veilsum measure``, and what deal and privacy say of clips and weights."""

import json

import numpy as np
import pytest
import veilsum as vs
from dealt_parties import done, refused, veilsum


@pytest.fixture
def models(tmp_path):
    """A model before training, and after it at two contributors."""
    rng = np.random.default_rng(4)
    start = {"w": rng.normal(size=(30, 20)), "b": np.zeros(20, np.float32), "steps": np.array([7])}
    paths = [tmp_path / "before.npz", tmp_path / "a.npz", tmp_path / "b.npz"]
    np.savez(paths[0], **start)
    updates = []
    for path in paths[1:]:
        update = [rng.normal(size=(30, 20)) * 0.01, rng.normal(size=20) * 0.02]
        trained = {"w": start["w"] + update[0], "b": start["b"] + update[1], "steps": np.array([9])}
        np.savez(path, **trained)
        updates.append(update)
    return paths, updates


def test_measure_tells_the_sizes_of_updates(models):
    paths, updates = models
    expected = vs.measure_updates(updates)
    found = done("measure", *paths)
    assert (found["dim"], found["num_updates"]) == (620, 2)
    assert found["suggested_clip"] == pytest.approx(expected.suggested_clip)
    assert found["l2_norms"] == pytest.approx(expected.l2_norms)
    assert "cuts one value in a thousand" in veilsum("measure", *paths).stdout


def test_measure_reads_single_arrays(tmp_path):
    for name, value in (("x", 0.0), ("y", 0.5)):
        np.save(tmp_path / f"{name}.npy", np.full(10, value))
    found = done("measure", tmp_path / "x.npy", tmp_path / "y.npy")
    assert found["magnitudes"]["1.0"] == 0.5


def test_measure_prints_numbers_or_refuses(tmp_path):
    np.save(tmp_path / "zero.npy", np.zeros(4))
    np.save(tmp_path / "low.npy", np.full(4, -1.7e308))
    for value in (0.0, 5e-324, 1e-200, 1e200, 4e307):
        np.save(tmp_path / "x.npy", np.full(4, value))
        output = veilsum("measure", tmp_path / "zero.npy", tmp_path / "x.npy", "--json").stdout
        found = json.loads(output, parse_constant=pytest.fail)
        assert found["l2_norms"] == [2 * value] * 3
        assert found["suggested_clip"] == value
    np.save(tmp_path / "x.npy", np.full(4, 1.7e308))
    for before in ("zero", "low"):
        assert "update" in refused("measure", tmp_path / f"{before}.npy", tmp_path / "x.npy")


def test_measure_refuses_what_it_cannot_compare(models, tmp_path):
    (before, after, _), _ = models
    np.savez(tmp_path / "other.npz", w=np.zeros(3))
    assert "other names or shapes" in refused("measure", before, tmp_path / "other.npz")
    np.savez(tmp_path / "counts.npz", n=np.arange(3))
    assert "no array of floats" in refused("measure", before, tmp_path / "counts.npz")
    np.savez(tmp_path / "objects.npz", w=np.array([None]))
    assert "plain arrays" in refused("measure", before, tmp_path / "objects.npz")
    for data in (b"", b"PK\x03\x04", after.read_bytes()[:200], b"\x93NUMPY"):
        (tmp_path / "damaged.npz").write_bytes(data)
        assert "damaged.npz" in refused("measure", before, tmp_path / "damaged.npz")
    assert "missing" in refused("measure", before, tmp_path / "missing.npz")


def test_privacy_says_what_hidden_weights_cost():
    options = (
        "privacy",
        "--dim",
        "1000",
        "--contributors",
        "20",
        "--epsilon",
        "4",
        "--clip",
        "0.1",
    )
    shown = veilsum(*options, "--weight-spread", "100", "--mean-weight", "0.5").stdout
    assert "hidden weights" in shown
    assert "have no mean" in " ".join(shown.split())
    found = done(*options, "--weight-spread", "100")
    plain = done(*options)
    assert found["ciphertexts"]["slot_bits"] == plain["ciphertexts"]["slot_bits"] + 7
    assert found["ciphertexts"]["num_bytes_for_weights"] > 0
    assert 0 < found["weights"]["no_mean_probability"] <= 1
    assert "hidden weights" not in veilsum(*options, "--uniform").stdout
    assert "--uniform" in refused(*options, "--uniform", "--weight-spread", "100")
    for spread in ("0", "0.5", "-1", "nan", "inf"):
        said = refused(*options, "--weight-spread", spread, "--mean-weight", "0.5")
        assert said.startswith("veilsum privacy: --weight-spread is")


@pytest.mark.parametrize(("spread", "mean"), [("10", "0.01"), ("10", "0.0999"), ("1", "0.5")])
def test_a_mean_below_the_smallest_weight_is_refused(spread, mean):
    options = ("privacy", "--dim", "10", "--contributors", "5", "--epsilon", "1")
    said = refused(*options, "--weight-spread", spread, "--mean-weight", mean)
    assert f"--mean-weight is {mean}; no weight is below" in said
    assert veilsum(*options, "--weight-spread", "10", "--mean-weight", "0.1").exit_code == 0


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--dim", "0"),
        ("--contributors", "0"),
        ("--contributors", "9223372036854775808"),
        ("--epsilon", "nan"),
        ("--delta", "2"),
        ("--rounds", "0"),
        ("--norm-bound", "0"),
        ("--clip", "nan"),
        ("--clip", "-1"),
        ("--honest", "0"),
        ("--value-bits", "1"),
        ("--mean-weight", "0"),
        ("--fraction", "0"),
        ("--fraction", "1e-300"),
        ("--fraction", "1e-323"),
        ("--key-bits", "5"),
    ],
)
def test_messages_speak_of_options(option, value):
    options = ("privacy", "--dim", "10", "--contributors", "5", "--epsilon", "1")
    assert refused(*options, option, value).startswith(f"veilsum privacy: {option} ")


def test_a_norm_bound_below_a_grid_step_is_refused():
    options = ("privacy", "--dim", "10", "--contributors", "5", "--epsilon", "1")
    assert "--norm-bound is 1, less than a grid step" in refused(*options, "--clip", "1e308")
