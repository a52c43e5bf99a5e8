"""Writes the golden messages of a secure-sum round in wire/; they stay for ever, as the others.

Run it only for a new wire version, under new names.
Run: PYTHONPATH=tests python tests/vectors/generate_round.py
"""

from pathlib import Path

import numpy as np
import veilsum as vs
from known_keys import known_key
from veilsum import secure_sum

NOISE = vs.privacy.GaussianNoise(
    epsilon=4.0, delta=1e-6, rounds=3, norm_bound=2.0, honest_contributors=2, weighted=False
)
CODEC = NOISE.fit(vs.Codec(5, clip=1.0, value_bits=8, max_addends=4))
NAMES = ("clinic-a", "klinik-ö")


def federation():
    return secure_sum.Federation(
        public_key=known_key(2048).public, codec=CODEC, noise=NOISE, trust="authority"
    )


def descriptor():
    return secure_sum.RoundDescriptor(
        federation_hash=federation().hash,
        run_id=bytes(range(16)),
        round_number=7,
        model_hash=secure_sum.hash_model([np.zeros((2, 2), np.float32), np.ones(1)]),
        invited=(*NAMES, "never-came"),
    )


def main():
    folder = Path(__file__).with_name("wire")
    aggregator = secure_sum.Aggregator(federation(), descriptor())
    messages = {"federation": federation().to_bytes(), "round_descriptor": descriptor().to_bytes()}
    for name in NAMES:
        ledger = vs.privacy.Ledger.in_memory(epsilon=4.0, delta=1e-6)
        contributor = secure_sum.Contributor(federation(), name=name, ledger=ledger)
        messages["contribution"] = contributor.contribute(
            descriptor().to_bytes(), np.ones(5), model_hash=descriptor().model_hash
        )
        aggregator.receive(messages["contribution"])
    messages["open_request"] = aggregator.open_request()
    holder = secure_sum.KeyHolder(federation(), secret_key=known_key(2048).secret)
    messages["opening"] = holder.open(messages["open_request"])
    for name, data in messages.items():
        (folder / f"{name}.bin").write_bytes(data)


if __name__ == "__main__":
    main()
