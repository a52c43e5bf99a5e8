"""No one party can open anything: the key is shared among five holders, four of whom must agree.

One round of the protocol of docs/protocol.md with every message as the bytes that would travel.
Between machines each party is a process of its own, with a folder made by ``veilsum join``.

    python examples/02_threshold.py
"""

import datetime
import secrets

import numpy as np
import veilsum as vs
from veilsum.secure_sum import (
    Aggregator,
    Announcement,
    Contributor,
    Federation,
    Identity,
    Invitations,
    KeptSums,
    KeyHolder,
    RoundDescriptor,
    RoundLedger,
    deal_shares,
    hash_model,
)

DIM = 1_000


def main() -> None:
    # The dealer makes a key of safe primes, shares it out 4 of 5, and forgets it. Two holders may
    # collude with the aggregator, and one may be missing.
    secret_key = vs.generate_key(2048, safe_primes=True)
    key, shares = deal_shares(secret_key, num_holders=5, threshold=4, max_colluding_holders=2)
    del secret_key

    # Everybody has a signing key; the dealer puts the public halves on the rosters.
    hospitals = [Identity.generate(name) for name in ("ada", "bob", "cyd")]
    banks = [Identity.generate(f"bank {i + 1}") for i in range(5)]
    ministry = Identity.generate("ministry")  # It adds up what the hospitals send.
    federation = Federation(
        key=key,
        codec=vs.Codec(DIM, clip=1.0, value_bits=16, max_addends=10),
        contributors=tuple(hospital.enrol() for hospital in hospitals),
        holders=tuple(bank.enrol() for bank in banks),
        aggregator=ministry.enrol(),
        run_id=secrets.token_bytes(16),
        last_day=datetime.date.today() + datetime.timedelta(days=30),
        colluding_contributors=0,
        min_contributors=3,
    )

    # The aggregator announces a round: which model, and who is invited. It signs that.
    model = [np.zeros(DIM)]
    invited = Invitations.of(hospital.name for hospital in hospitals)
    descriptor = RoundDescriptor.signed(
        ministry,
        federation_hash=federation.hash,
        round_number=1,
        model_hash=hash_model(model),
        invited=invited,
    )
    aggregator = Aggregator(federation, ministry, descriptor, invited=invited)

    # Each hospital checks the announcement, encrypts, proves that it knows what it encrypted, and
    # signs. It sends one message and may leave.
    changes = [np.full(DIM, 0.1), np.full(DIM, 0.2), np.full(DIM, -0.7)]
    for hospital, change in zip(hospitals, changes, strict=True):
        contributor = Contributor(federation, hospital, rounds=RoundLedger.in_memory())
        announcement = Announcement.of(descriptor, invited, to=hospital.name).to_bytes()
        message = contributor.contribute(announcement, change, model_hash=hash_model(model))
        print(f"{aggregator.receive(message)} sends {len(message):,} bytes")

    # Each holder checks every signature and proof, multiplies the ciphertexts itself, and locks the
    # set: it will open no other of this round. Shown the locks of enough holders, it decrypts its
    # product in part. Bank 2 does not answer.
    holders = {
        bank.name: KeyHolder(
            federation, bank, key=share, rounds=RoundLedger.in_memory(), sums=KeptSums()
        )
        for bank, share in zip(banks, shares, strict=True)
    }
    while requests := aggregator.open_requests(missing=["bank 2"]):
        for name, request in requests.items():
            aggregator.receive_opening(holders[name].open(request))
            print(f"{name} answers")

    result = aggregator.finish()
    print(f"sum of {', '.join(result.contributors)}: {result.sum.values[:3]} ...")
    assert np.allclose(result.sum.values, sum(changes), atol=1e-3)


if __name__ == "__main__":
    main()
