"""How much noise a privacy goal needs, what it does to the sum, and a budget that runs out.

The contributors' budgets are those of their data, so a ledger outlives any one run.

    python examples/04_noise_and_budget.py
"""

import tempfile
from pathlib import Path

import numpy as np
import veilsum as vs

DIM, NUM_CONTRIBUTORS = 500, 50


def main() -> None:
    # Two rounds may tell (epsilon, delta) about one contributor, even to a server in league with
    # all contributors but 25. Each adds a 25th of the variance, before encryption.
    noise = vs.privacy.GaussianNoise(
        epsilon=8, delta=1e-6, rounds=2, norm_bound=1.0, honest_contributors=25, weighted=False
    )
    codec = noise.fit(vs.Codec(DIM, clip=0.5, value_bits=16, max_addends=100))

    # What to expect, before anything is trained.
    forecast = vs.privacy.forecast(noise, codec, num_contributors=NUM_CONTRIBUTORS)
    print(f"each value of the mean will be off by about {forecast.noise_per_value:.4f}")
    print(f"signal to noise {forecast.signal_to_noise:.2f}, {forecast.slot_bits} bits a value")

    # Every contributor's change has norm 1; their sum, and the sum with noise.
    key = vs.generate_key(2048)
    change = np.full(DIM, DIM**-0.5)
    accumulator = vs.Accumulator(codec, key=key.public_key)
    for _ in range(NUM_CONTRIBUTORS):
        accumulator.add(codec.encrypt(change, key=key.public_key, noise=noise))
    mean = codec.decrypt(accumulator.total, key).mean()
    print(f"it is off by {np.std(mean - change):.4f}")

    # A ledger keeps what a contributor has spent, across rounds, runs and crashes. A charge is on
    # the disk before anything is sent.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite"
        ledger = vs.privacy.Ledger.create(path, epsilon=8, delta=1e-6)
        for round_id in (b"round 1", b"round 2", b"round 3"):
            try:
                ledger.charge(round_id, noise=noise, codec=codec)
                print(f"{round_id.decode()}: epsilon {ledger.spent.epsilon:.2f} of 8 is spent")
            except vs.BudgetExhaustedError as error:
                print(f"{round_id.decode()}: {error}")
        assert vs.privacy.Ledger.open(path).spent.num_contributions == 2


if __name__ == "__main__":
    main()
