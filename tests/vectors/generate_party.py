"""Writes the golden folder of a party, party_4/: later versions must go on with it, ledgers too.

Run it only for a new version of the folder, under a new name: those that are there stay for ever.
party/ and party_2/ are of agreements without an aggregator, which nothing reads any more; what was
announced to party_3/ is of an older version, and its records are read.
Run: PYTHONPATH=tests python tests/vectors/generate_party.py
"""

from pathlib import Path

import numpy as np
import protocol_parties as parties
import veilsum as vs
from shared_keys import shared_key
from veilsum import keyfile
from veilsum.identity import Role
from veilsum.secure_sum import Federation, PartyFolder, RunName

PASSPHRASE = "correct horse battery staple"
NAME = "holder and contributor"
ANSWER = b"stands for a set that was opened"
CODEC = vs.Codec(5, clip=1.0, value_bits=16, max_addends=2)


def federation():
    """Of one who has both roles, in which it has all the files that there are."""
    return Federation(
        key=shared_key().key,
        aggregator=parties.identity(parties.AGGREGATOR).enrol(),
        run_id=parties.RUN_ID,
        last_day=parties.LAST_DAY,
        colluding_contributors=0,
        codec=parties.NOISE.fit(CODEC),
        contributors=parties.roster(NAME, "bob"),
        holders=parties.roster(NAME, *parties.holder_names("threshold")[1:]),
        noise=parties.NOISE,
        min_contributors=2,
    )


def contribute(party, number):
    """What it contributes to a round that invites it."""
    announced = parties.descriptor(party.federation, round_number=number, invited=(NAME, "bob"))
    return party.contributor(passphrase=PASSPHRASE).contribute(
        parties.announcement(announced, NAME), np.zeros(5), model_hash=announced.model_hash
    )


def main():
    keyfile._LOG2_COST = 14  # The least cost allowed: tests open the files often.
    agreed = federation()
    party = PartyFolder.create(
        Path(__file__).with_name("party_4"),
        agreed.signed_by(parties.identity("dealer")),
        identity=parties.identity(NAME),
        passphrase=PASSPHRASE,
        expected_hash=agreed.hash,
        dealer=parties.identity("dealer").enrol(),
        key=shared_key().shares[0],
    )
    contribute(party, 1)
    run = RunName.of(agreed)
    party.rounds(Role.HOLDER).record(run, 1, ANSWER)


if __name__ == "__main__":
    main()
