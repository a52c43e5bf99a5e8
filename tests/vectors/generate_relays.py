"""Writes the golden messages of relays in wire/; they stay for ever, as the others.

Run it only for a new wire version, under new names.
Run: PYTHONPATH=tests python tests/vectors/generate_relays.py
"""

import dataclasses
from pathlib import Path

import protocol_parties as parties
from vectors import generate_round
from veilsum.secure_sum import Relay

RELAY = "relais-ß"
NAME = "klinik-ö"


def agreement():
    """One authority has the key, and two relays may add."""
    relays = parties.roster(RELAY, "relay-1")
    return dataclasses.replace(generate_round.sums(), relays=relays)


def descriptor():
    ways = {one.name: one.relay for one in generate_round.relayed().invited}
    return parties.descriptor(agreement(), **(generate_round.ROUND | {"invited": ways}))


def relayed_round():
    """Messages of a round, by name; each is one frame."""
    agreed, announced = agreement(), descriptor()
    invited = parties.invited_to(announced)
    relay = Relay(agreed, parties.identity(RELAY), announced, invited=invited)
    relay.receive(parties.contribute(agreed, announced, NAME, generate_round.VALUE))
    root = parties.aggregator(agreed, announced)
    root.receive(parties.contribute(agreed, announced, "never-came", generate_round.VALUE))
    report = list(relay.report())
    root.receive_report(report)
    request = root.relay_requests()[RELAY]
    answer = list(relay.relayed_sum(request))
    root.receive_relayed_sum(answer)
    return {
        "federation_6": agreed.to_bytes(),
        "relay_report": report[0],
        "relay_request": request,
        "relayed_sum": answer[0],
        "spot_check": root.spot_check(RELAY),
    }


def main():
    folder = Path(__file__).with_name("wire")
    for name, data in relayed_round().items():
        path = folder / f"{name}.bin"
        if path.exists():
            raise SystemExit(f"{path} is there; golden files are never written again")
        path.write_bytes(data)


if __name__ == "__main__":
    main()
