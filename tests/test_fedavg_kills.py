"""A run that is killed again and again ends as one that nothing stopped."""

import collections
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import fedavg_clients as fl
import killable_run
import numpy as np
import pytest
import veilsum as vs

HERE = Path(__file__).resolve().parent


def unbroken(rounds, trust):
    loop = vs.FedAvg(
        fl.zeros(),
        killable_run.clients(),
        evaluate=fl.error,
        key=None if trust == "clear" else fl.key(),
        **killable_run.settings(trust, noise=False),
    )
    loop.run(rounds)
    return loop


def start(folder, rounds, trust, noise):
    arguments = [folder, str(rounds), trust, "noise" if noise else "exact"]
    return subprocess.Popen(
        [sys.executable, HERE / "killable_run.py", *arguments],
        env={**os.environ, "PYTHONPATH": str(HERE), "VEILSUM_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )


def run_with_kills(folder, rounds, trust, noise, num_kills):
    """Starts the run anew until it is done; how many signals of each kind it got while at work."""
    rng, sent = random.Random(os.urandom(8)), collections.Counter()
    while True:
        process = start(folder, rounds, trust, noise)
        # A process takes most of its time to start: signals are for when it is at work.
        mark = folder / f"at-work-{process.pid}"
        while sum(sent.values()) < num_kills and process.poll() is None:
            if not mark.exists():
                time.sleep(0.01)
                continue
            how = rng.choice([signal.SIGKILL, signal.SIGINT])
            time.sleep(rng.expovariate(1 / 0.15) if how == signal.SIGINT else rng.uniform(0, 1.2))
            if process.poll() is None:
                process.send_signal(how)
                sent[how.name] += 1
            if how == signal.SIGKILL:
                break
        try:
            _, errors = process.communicate(timeout=600)
        finally:
            process.kill()
        if process.returncode == killable_run.DONE:
            return sent
        assert process.returncode in (-signal.SIGKILL, -signal.SIGINT, killable_run.INTERRUPTED), (
            errors
        )


def logged(folder):
    return [json.loads(line) for line in (folder / "sent").read_text().splitlines()]


def check_numbers(folder):
    """Numbers only grow, and none is answered twice, whichever process announced it."""
    history = json.loads((folder / "history.json").read_text())
    ended = [record["round_number"] for record in history["rounds"]]
    taken = sorted([*ended, *history["interrupted"]])
    assert ended == sorted(set(ended))
    assert taken == list(range(1, len(taken) + 1))
    lines = logged(folder)
    answers = collections.Counter((line["client"], line["number"]) for line in lines)
    assert max(answers.values()) == 1
    processes = {}
    for line in lines:
        assert processes.setdefault(line["number"], line["process"]) == line["process"]
    return history


def check_ends_as_unbroken(folder, trust, rounds, num_kills):
    sent = run_with_kills(folder, rounds, trust, False, num_kills)
    expected = unbroken(rounds, trust)
    with np.load(folder / "model.npz") as found:
        assert fl.same([found[name] for name in found.files], expected.model)
    history = check_numbers(folder)
    invited = [record["num_invited"] for record in history["rounds"]]
    assert invited == [record.num_invited for record in expected.history]
    return sent


def check_ledgers(folder, trust, rounds, num_kills):
    sent = run_with_kills(folder, rounds, trust, True, num_kills)
    history = check_numbers(folder)
    lines = collections.Counter(line["client"] for line in logged(folder))
    spent = {}
    for name in lines:
        ledger = vs.privacy.Ledger.open(folder / f"ledger-{name}")
        spent[name] = ledger.spent
        assert ledger.spent.num_contributions >= lines[name]
    # What the history says was spent is what the ledgers say.
    last = history["rounds"][-1]["epsilon_colluding"]
    assert np.isclose(last, max(each.epsilon for each in spent.values()))
    return sent


def test_a_run_that_is_killed_ends_as_one_that_is_not(tmp_path):
    check_ends_as_unbroken(tmp_path, "clear", 150, 6)


def test_ledgers_know_of_all_that_was_sent(tmp_path):
    check_ledgers(tmp_path, "clear", 60, 4)


@pytest.mark.slow
@pytest.mark.parametrize("trust", ["clear", "authority"])
def test_a_hundred_kills_end_as_none(tmp_path, trust):
    sent = check_ends_as_unbroken(tmp_path, trust, 3000 if trust == "clear" else 800, 100)
    assert sum(sent.values()) == 100


@pytest.mark.slow
@pytest.mark.parametrize("trust", ["clear", "authority"])
def test_ledgers_know_of_all_that_was_sent_after_fifty_kills(tmp_path, trust):
    sent = check_ledgers(tmp_path, trust, 300, 50)
    assert sum(sent.values()) >= 20
