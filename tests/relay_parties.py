"""Rounds of protocol_parties with relays: who adds for whom, and an honest round of all of them."""

import numpy as np
import protocol_parties as parties
import veilsum as vs
from protocol_parties import Round, identity
from veilsum.secure_sum import (
    Chunk,
    FolderStore,
    MemoryStore,
    Relay,
    RelayedSum,
    RelayRequest,
)
from veilsum.secure_sum.merkle import leaf_hash, merkle_root
from veilsum.wire import WireKind

WEST, EAST = "west", "east"
RELAYS = (EAST, WEST)
# Two through each relay, and one straight to the aggregator, who is called the root here.
WAYS = {"ada": WEST, "bob": WEST, "cyd": EAST, "dan": EAST, "eve": None}
NAMES = tuple(WAYS)
# Three blocks, and so several chunks that are only added.
CODEC = vs.Codec(40_000, clip=1.0, value_bits=16, max_addends=8)
DELTAS = {name: np.linspace(-1, 1, CODEC.dim) * (i + 1) / 5 for i, name in enumerate(NAMES)}


def federation(trust="authority", **changes):
    settings = {
        "codec": CODEC,
        "contributors": parties.roster(*NAMES),
        "relays": parties.roster(*RELAYS),
        "scheme": "masked",
        "chunk_size": 32 if trust == "threshold" else 4,
    }
    toy = (5, 4) if trust == "threshold" else None
    return parties.federation(trust, toy=toy, **(settings | changes))


class RelayedRound:
    """A round of which everybody has a contribution, and nobody was sent one.

    With a ``folder`` every party keeps what it was sent there, and can be killed.
    """

    def __init__(self, agreed=None, *, ways=WAYS, folder=None, **changes):
        self.federation = federation() if agreed is None else agreed
        self.ways, self.folder = dict(ways), folder
        self.round = Round(
            self.federation, names=(), invited=self.ways, store=self.store("root"), **changes
        )
        self.descriptor = self.round.descriptor
        self.relays = {name: self.new_relay(name) for name in RELAYS}
        dim = self.federation.codec.dim
        self.messages = {n: self.round.contribution(n, DELTAS[n][:dim]) for n in self.ways}

    @property
    def root(self):
        return self.round.aggregator

    def store(self, name):
        return MemoryStore() if self.folder is None else FolderStore(self.folder / name)

    def new_relay(self, name, store=None):
        invited = parties.invited_to(self.descriptor)
        return Relay(
            self.federation,
            identity(name),
            self.descriptor,
            invited=invited,
            store=self.store(name) if store is None else store,
        )

    def restart(self):
        """Everybody is killed, and another takes its place with its store."""
        self.round.store.close()
        self.round.store = self.store("root")
        self.round.restart()
        for name, relay in self.relays.items():
            relay._store.close()
            self.relays[name] = self.new_relay(name)

    def fresh_root(self):
        """Another aggregator of the round, who was sent nothing."""
        return parties.aggregator(self.federation, self.descriptor)

    def contribute(self, names=None):
        """All send what they have, each its way."""
        for name in self.ways if names is None else names:
            relay = self.ways[name]
            receiver = self.root if relay is None else self.relays[relay]
            assert receiver.receive(self.messages[name]) == name

    def report(self, relays=RELAYS):
        for name in relays:
            assert self.root.receive_report(self.relays[name].report()) == name

    def add(self, **options):
        """The set is fixed, and its relays answer."""
        for name, request in self.root.relay_requests(**options).items():
            assert self.root.receive_relayed_sum(self.relays[name].relayed_sum(request)) == name

    def check(self, name, chunks=1):
        """Look at a relay's sum."""
        request = self.root.spot_check(name, chunks=chunks)
        return self.root.receive_spot_check(self.relays[name].answer_spot_check(request))

    def finish(self):
        return self.round.finish()


def relay_messages(state):
    """Whole messages of a round that was not begun, by their kinds."""
    state.contribute()
    relay, root = state.relays[WEST], state.root
    state.report()
    request = root.relay_requests()[WEST]
    answer = b"".join(relay.relayed_sum(request))
    root.receive_relayed_sum(answer)
    return {
        WireKind.RELAY_REPORT: b"".join(relay.report()),
        WireKind.RELAY_REQUEST: request,
        WireKind.RELAYED_SUM: answer,
        WireKind.SPOT_CHECK: root.spot_check(WEST),
    }


def signed_sum(agreed, request, blocks, *, num_addends=None, name=WEST):
    """What a relay answers that has signed whatever these blocks are."""
    asked = RelayRequest.from_bytes(request)
    frames = []
    for index in range(agreed.num_opened, agreed.num_chunks):
        units = agreed.bodies.body.units(index - agreed.num_opened)
        part = blocks.part(units.start, len(units))
        frames.append(Chunk(index=index, body=part.to_bytes(), proof=b"").to_bytes())
    head = RelayedSum.signed(
        parties.identity(name),
        asked,
        num_addends=len(asked.commitments) if num_addends is None else num_addends,
        num_chunks=len(frames),
        root=merkle_root([leaf_hash(frame) for frame in frames]),
    )
    return [head.to_bytes(), *frames]
