"""The numbered examples run, and print what they promise."""

import importlib
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import veilsum as vs

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"

PRINTS = {
    "01_secure_sum.py": "sum of 3 vectors",
    "02_threshold.py": "sum of ada, bob, cyd: [-0.4",
    "03_fedavg_numpy.py": "authority: accuracy",
    "04_noise_and_budget.py": "of which 0 is left after 2 contributions",
    "08_relays.py": "sum of ada, bob, cyd, dan, eve",
    "12_https_round.py": "over HTTPS, the mean of 5: 0.0300",
    "07_pytorch_cnn.py": "round 4: accuracy 0.9",
    "09_vertical_regression.py": "logistic: 6 steps, correlation 0.",
    "10_encrypted_histograms.py": "split: feature 3, bins up to 11 go left",
    "11_encrypted_embedding.py": "most like number 7, by 0.",
    "13_statistics.py": "log-rank   months, died         p-value",
}
ARGUMENTS = {"10_encrypted_histograms.py": ("--rows", "2000")}
NEEDS = {"07_pytorch_cnn.py": ("sklearn", "torch")}


@pytest.mark.parametrize("name", PRINTS)
def test_example_runs(name):
    for module in NEEDS.get(name, ()):
        pytest.importorskip(module)
    result = subprocess.run(
        [sys.executable, EXAMPLES / name, *ARGUMENTS.get(name, ())],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    assert PRINTS[name] in result.stdout


def test_every_numbered_script_is_run():
    scripts = {path.name for path in EXAMPLES.glob("[0-9]*.py")}
    assert scripts == set(PRINTS)


@pytest.fixture
def module(request, monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    return importlib.import_module(request.param)


regression = pytest.mark.parametrize("module", ["09_vertical_regression"], indirect=True)
histograms = pytest.mark.parametrize("module", ["10_encrypted_histograms"], indirect=True)


@regression
def test_a_party_of_the_regression_takes_no_longer_message_than_it_expects(module):
    ends = socket.socketpair()
    with ends[0], ends[1]:
        sender, receiver = map(module.Channel, ends)
        sender.send(b"12345")
        assert receiver.receive(5) == b"12345"
        sender.send(b"123456")
        with pytest.raises(ValueError, match="longer than the 5 expected"):
            receiver.receive(5)


@regression
def test_a_party_of_the_regression_does_not_wait_for_who_hung_up(module):
    ends = socket.socketpair()
    with ends[1]:
        with ends[0]:
            ends[0].sendall((100).to_bytes(4, "big") + b"123")
        with pytest.raises(ConnectionError, match="hung up"):
            module.Channel(ends[1]).receive(100)


@regression
def test_opened_numbers_of_the_regression_are_as_many_as_asked(module):
    half = 2 ** (module.KEY_BITS - 1)
    values = [0, 1, -1, half - 1, -half]
    data = module.to_bytes(values)
    assert module.from_bytes(data, 5) == values
    for count in (0, 4, 6):
        with pytest.raises(ValueError, match="are not"):
            module.from_bytes(data, count)
    for n in (35, 37):
        assert sorted({module.centred(value, n) for value in range(-99, 99)}) == list(
            range(-(n // 2), n // 2 + 1)
        )


@regression
@pytest.mark.parametrize(
    ("num_rows", "num_asked", "message"),
    [(3, 21, "asks to open 21 numbers"), (2, 1, r"has \(2,\), not 3 rows")],
)
def test_a_party_of_the_regression_opens_and_takes_no_more_than_agreed(
    module, num_rows, num_asked, message, key, other_key, monkeypatch
):
    monkeypatch.setattr(vs, "generate_key", lambda bits: key.secret)
    ends = socket.socketpair()
    other = module.Channel(ends[1])
    features, targets = np.ones((3, 2)), np.zeros(3)
    with ThreadPoolExecutor(1) as runner, ends[0], ends[1]:
        bank = runner.submit(
            module.party, module.MODELS[0], features, targets, module.Channel(ends[0])
        )
        bank_key = vs.PublicKey.from_bytes(other.receive(1000))
        other.send(other_key.public.to_bytes())
        other.receive(10_000)
        other.send(other_key.public.encrypt_floats(np.zeros(num_rows)).to_bytes())
        if num_rows == 3:
            other.receive(10_000)
            other.send(bank_key.encrypt([0] * num_asked).to_bytes())
        with pytest.raises(ValueError, match=message):
            bank.result()


@histograms
def test_sums_of_pairs_come_apart_again(module):
    rng = np.random.default_rng(1)
    for count in (1, 2, 1000):
        for sign in (-1, 1):  # All alike: the largest sums.
            g, h = sign * rng.uniform(0, 1, count), rng.uniform(0, 0.25, count)
            low, high = (np.rint(module.SCALE * values).sum() for values in (g, h))
            found = module.unpack_pairs(module.pack_pairs(g, h).sum(keepdims=True))
            assert [part.tolist() for part in found] == [[low], [high]]
    with pytest.raises(ValueError, match="do not fit"):
        module.pack_pairs(np.zeros(2**18), np.zeros(2**18))


@histograms
def test_best_split_is_the_one_of_a_loop_over_all(module):
    rng = np.random.default_rng(2)
    g, h = rng.normal(size=(3, 5)), rng.uniform(0.1, 1, (3, 5))

    def gain(feature, last):
        sides = slice(None, last + 1), slice(last + 1, None)
        return sum(g[feature, s].sum() ** 2 / (h[feature, s].sum() + 1) for s in sides)

    everything = [(feature, last) for feature in range(3) for last in range(5)]
    assert module.best_split(g, h) == max(everything, key=lambda one: gain(*one))
