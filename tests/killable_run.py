"""A run of FedAvg that its tests kill: a process goes on with it, and logs what leaves clients.

Run: PYTHONPATH=tests python tests/killable_run.py FOLDER ROUNDS TRUST NOISE
"""

import json
import os
import sys
import time
from pathlib import Path

import fedavg_clients as fl
import numpy as np
import veilsum as vs
from veilsum.fedavg import parties

NUM_CLIENTS = 5
NOISE = vs.privacy.GaussianNoise(
    epsilon=500.0, delta=1e-5, rounds=400, norm_bound=1.0, honest_contributors=2, weighted=False
)
DONE, INTERRUPTED = 0, 3


class SlowClient(fl.LinearClient):
    """Takes a moment, so that a signal finds it at work. What it trains depends on nothing else."""

    def train(self, model, epochs):
        time.sleep(0.001)
        return super().train(model, epochs)


def clients():
    return [SlowClient(seed, num_samples=10 + 5 * seed) for seed in range(NUM_CLIENTS)]


def settings(trust, noise):
    found = {
        "codec": vs.Codec(fl.DIM, clip=1.0, value_bits=16, max_addends=NUM_CLIENTS),
        "trust": trust,
        "fraction": 0.6,
        "momentum": 0.5,
        "seed": 11,
        "evaluate_every": 2,
    }
    if noise:
        found |= {"noise": NOISE, "weighting": "uniform", "min_contributors": 2}
    return found


def company(folder, trust, noise):
    def ledger_for(name):
        path = folder / f"ledger-{name}"
        if path.exists():
            return vs.privacy.Ledger.open(path)
        return vs.privacy.Ledger.create(path, epsilon=NOISE.epsilon, delta=NOISE.delta)

    return {
        "evaluate": fl.error,
        "key": None if trust == "clear" else fl.key(),
        "ledger_for": ledger_for if noise else None,
    }


def log_what_leaves(folder):
    """A line for each contribution, in a file that no signal takes back."""
    log = os.open(folder / "sent", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    round_sum = parties.Parties.round_sum

    def logged_sum(self, run_id, number, **options):
        total = round_sum(self, run_id, number, **options)
        add = total.add

        def add_and_log(name, delta, weight):
            add(name, delta, weight)
            line = json.dumps({"client": name, "number": number, "process": os.getpid()})
            os.write(log, f"{line}\n".encode())

        total.add = add_and_log
        return total

    parties.Parties.round_sum = logged_sum


def main(folder, rounds, trust, noise):
    folder = Path(folder)
    (folder / f"at-work-{os.getpid()}").touch()
    log_what_leaves(folder)
    checkpoint, others = folder / "run", company(folder, trust, noise)
    if checkpoint.exists():
        loop = vs.FedAvg.resume(checkpoint, clients(), **others)
    else:
        loop = vs.FedAvg(
            fl.zeros(), clients(), checkpoint=checkpoint, **settings(trust, noise), **others
        )
    num_interrupts = 0
    while len(loop.history) < rounds:
        try:
            loop.run(rounds - len(loop.history))
        except KeyboardInterrupt:
            num_interrupts += 1
            if num_interrupts > 2:  # Sometimes the process goes on, sometimes another does.
                return INTERRUPTED
    np.savez(folder / "model.npz", *loop.model)
    (folder / "history.json").write_text(loop.history.to_json())
    return DONE


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4] == "noise"))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
