"""Two relays add for a third party, which is sent their sums and no single vector of theirs.

One round of the protocol of docs/protocol.md, with every message as the bytes that would travel.

    python examples/08_relays.py
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
    KeyHolder,
    Relay,
    RoundDescriptor,
    RoundLedger,
    hash_model,
)

DIM = 20_000
# Through whom each hospital contributes; None: straight to the ministry.
WAYS = {"ada": "west", "bob": "west", "cyd": "east", "dan": "east", "eve": None}


def main() -> None:
    # An authority has the key, so that vectors are masked: it is given the keys of masks alone.
    secret_key = vs.generate_key(2048)  # 3072 bits unless you say otherwise
    hospitals = [Identity.generate(name) for name in WAYS]
    relays = {name: Identity.generate(name) for name in ("east", "west")}
    ministry, authority = Identity.generate("ministry"), Identity.generate("authority")
    federation = Federation(
        key=secret_key.public_key,
        codec=vs.Codec(DIM, clip=1.0, value_bits=16, max_addends=10),
        contributors=tuple(hospital.enrol() for hospital in hospitals),
        holders=(authority.enrol(),),
        relays=tuple(relay.enrol() for relay in relays.values()),
        aggregator=ministry.enrol(),
        run_id=secrets.token_bytes(16),
        last_day=datetime.date.today() + datetime.timedelta(days=30),
        colluding_contributors=0,
    )

    # The announcement gives each hospital its relay.
    model, invited = [np.zeros(DIM)], Invitations.of(WAYS)
    descriptor = RoundDescriptor.signed(
        ministry,
        federation_hash=federation.hash,
        round_number=1,
        model_hash=hash_model(model),
        invited=invited,
    )
    root = Aggregator(federation, ministry, descriptor, invited=invited)
    parties = {
        name: Relay(federation, identity, descriptor, invited=invited)
        for name, identity in relays.items()
    }

    # Each hospital sends one message, to its relay or straight to the ministry.
    changes = np.random.default_rng(1).uniform(-0.5, 0.5, (len(hospitals), DIM))
    for hospital, change in zip(hospitals, changes, strict=True):
        contributor = Contributor(federation, hospital, rounds=RoundLedger.in_memory())
        announcement = Announcement.of(descriptor, invited, to=hospital.name).to_bytes()
        message = contributor.contribute(announcement, change, model_hash=hash_model(model))
        way = WAYS[hospital.name]
        (root if way is None else parties[way]).receive(message)

    # Relays report first; the ministry fixes the set; only then do they add, for that set.
    for name, relay in parties.items():
        report = b"".join(relay.report())
        root.receive_report(report)
        print(f"{name} reports {len(relay.contributors)} contributions in {len(report):,} bytes")
    for name, request in root.relay_requests().items():
        added = b"".join(parties[name].relayed_sum(request))
        root.receive_relayed_sum(added)
        print(f"{name} sends their sum in {len(added):,} bytes")

    # The ministry looks at a chunk of each sum, which it draws: of what was it made?
    for name in root.relays:
        check = root.spot_check(name, chunks=1)
        root.receive_spot_check(parties[name].answer_spot_check(check))

    # The authority opens the sum of the keys, and learns nothing else.
    holder = KeyHolder(federation, authority, key=secret_key, rounds=RoundLedger.in_memory())
    for frames in root.open_requests().values():
        root.receive_opening(holder.open(frames))
    result = root.finish()
    error = np.abs(result.sum.values - changes.sum(axis=0)).max()
    assert error <= len(hospitals) / (2 * federation.codec.scale) * (1 + 1e-9)
    print(f"sum of {', '.join(result.contributors)}; largest rounding error {error:.1e}")


if __name__ == "__main__":
    main()
