"""Sets up the parties of the example: four sites that contribute, and any three of them open sums.

    python deal.py FOLDER

For trying out, on one machine. In earnest each site runs `veilsum enrol` and `veilsum join` on its
own machine, and a dealer `veilsum deal` (docs/operations.md); the folders are the same.
"""

import secrets
import sys
from datetime import date, timedelta
from pathlib import Path

import veilsum as vs
from veilsum.secure_sum import Federation, Identity, PartyFolder, deal_shares

SITES = [f"site-{number}" for number in range(1, 5)]
DIM = 65 * 10  # the weights that train.py trains
# For sites that have from 100 to 600 samples, as job.py says.
CODEC = vs.Codec(DIM, clip=1.0, value_bits=16, max_addends=len(SITES)).for_weight_spread(6)


def deal(folder: Path, secret_key: vs.SecretKey, codec: vs.Codec = CODEC) -> None:
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


if __name__ == "__main__":
    deal(Path(sys.argv[1]), vs.generate_key(2048, safe_primes=True))
