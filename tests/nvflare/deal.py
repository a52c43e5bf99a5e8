"""Parties for the example's job: four sites that contribute, and any three of them open sums.

For tests only. In earnest each site runs `veilsum enrol` and `veilsum join` on its own machine, and
a dealer `veilsum deal` (docs/operations.md); the folders are the same.
"""

import secrets
from datetime import date, timedelta

import veilsum as vs
from veilsum.secure_sum import Federation, Identity, PartyFolder, deal_shares

SITES = [f"site-{number}" for number in range(1, 5)]
DIM = 65 * 10  # the weights that train.py trains
# For sites that have from 100 to 600 samples, as job_digits.py says.
CODEC = vs.Codec(DIM, clip=1.0, value_bits=16, max_addends=len(SITES)).for_weight_spread(6)


def deal(folder, secret_key, codec=CODEC, **agreed):
    """Make everything in a folder that is not there yet."""
    folder.mkdir(parents=True, mode=0o700)
    identities = [Identity.generate(site) for site in SITES]
    roster = tuple(identity.enrol() for identity in identities)
    key, shares = deal_shares(secret_key, num_holders=4, threshold=3, max_colluding_holders=1)
    server = Identity.generate("server")  # Its file is the aggregator's, who announces rounds.
    federation = Federation(
        key=key,
        codec=codec,
        contributors=roster,
        holders=roster,
        aggregator=server.enrol(),
        run_id=secrets.token_bytes(16),
        last_day=date.today() + timedelta(days=30),
        colluding_contributors=0,
        **agreed,
    )
    dealer = Identity.generate("dealer")
    signed = federation.signed_by(dealer)
    (folder / "federation.veil").write_bytes(signed)
    (folder / "federation.hash").write_text(federation.hash.hex() + "\n")
    passphrase = secrets.token_hex(16)
    (folder / "passphrase").write_text(passphrase + "\n")
    server.save(folder / "server.identity", passphrase=passphrase)
    dealer.save(folder / "dealer.identity", passphrase=passphrase)
    for identity, share in zip(identities, shares, strict=True):
        PartyFolder.create(
            folder / "parties" / identity.name,
            signed,
            identity=identity,
            passphrase=passphrase,
            expected_hash=federation.hash,
            dealer=dealer.enrol(),  # Whose renewals it accepts.
            key=share,
        )
