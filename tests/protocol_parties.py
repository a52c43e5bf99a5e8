"""Federations of the protocol's tests, and honest rounds with all parties in this process."""

import dataclasses
import datetime
import functools
import hashlib

import numpy as np
import veilsum as vs
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from known_keys import known_key
from shared_keys import shared_key
from veilsum import hazmat
from veilsum.secure_sum import (
    Aggregator,
    Announcement,
    Contributor,
    Federation,
    Identity,
    Invitations,
    KeptSums,
    KeyHolder,
    OpenRequest,
    RoundDescriptor,
    RoundLedger,
    RoundSet,
    SignedRoot,
    hash_model,
)
from veilsum.secure_sum.link import START
from veilsum.wire import split_frames

DIM = 200
# Wide slots, so that few values make several chunks of one ciphertext each.
CODEC = vs.Codec(DIM, clip=1.0, value_bits=40, max_addends=4)
NAMES = ("ada", "bob", "cyd", "dan")
MODEL = [np.arange(3, dtype=np.float32)]
NOISE = vs.privacy.GaussianNoise(
    epsilon=4.0, delta=1e-6, rounds=2, norm_bound=2.0, honest_contributors=2, weighted=False
)
NOISY_CODEC = NOISE.fit(dataclasses.replace(CODEC, value_bits=24))
RUN_ID = bytes(16)
AGGREGATOR = "aggregator"
LAST_DAY = datetime.date(2999, 12, 31)
TRUSTS = ("threshold", "authority", "contributors")
# Safe primes of 192 bits: holders of such a key take a millisecond a ciphertext.
TOY_PRIMES = (
    5203239737710046659403513996485467684274714798961061372887,
    5059253795765162557121358894523166527603641379652901039503,
)


@functools.cache
def identity(name):
    """The same signing key for the same name in every test run."""
    secret = hashlib.sha256(b"tests/" + name.encode()).digest()
    return Identity(name, Ed25519PrivateKey.from_private_bytes(secret))


def roster(*names):
    return tuple(identity(name).enrol() for name in names)


def holder_names(trust, num_holders=5):
    if trust == "contributors":
        return ()
    count = num_holders if trust == "threshold" else 1
    return tuple(f"holder-{i + 1}" for i in range(count))


@functools.cache
def toy_key(num_holders, threshold):
    """(ThresholdKey, shares) of a key far too small."""
    return hazmat.deal_shares(hazmat.secret_key(*TOY_PRIMES), num_holders, threshold)


def federation(trust="authority", *, toy=None, **changes):
    """An agreement; ``toy=(n, t)`` for a toy key with so many holders."""
    key = known_key(2048).public
    if trust == "threshold":
        key = shared_key().key if toy is None else toy_key(*toy)[0]
    settings = {
        "key": key,
        "codec": CODEC,
        "aggregator": identity(AGGREGATOR).enrol(),
        "run_id": RUN_ID,
        "last_day": LAST_DAY,
        "colluding_contributors": 0,
        "contributors": roster(*NAMES),
        "holders": roster(*holder_names(trust, 5 if toy is None else toy[0])),
        # Five chunks that are opened, of ciphertexts or of a mask's key.
        "chunk_size": 1 if trust == "threshold" else 4,
    }
    return Federation(**(settings | changes))


_lists = {}


def listed(invited):
    """The list of these names, known from now on to all who ask for that of an announcement."""
    found = Invitations.of(invited)
    _lists[found.root] = found
    return found


def invited_to(announced):
    """The list that was signed with a round."""
    return _lists[announced.invited_root]


def descriptor(
    agreed,
    *,
    round_number=1,
    invited=NAMES,
    model=MODEL,
    after=START,
    repeat=0,
    opener="the first",
):
    """``opener``: where every contributor has the key, the first of them unless it is given."""
    if opener == "the first":
        opener = agreed.contributors[0].name if agreed.trust == "contributors" else None
    return RoundDescriptor.signed(
        identity(agreed.aggregator.name),
        federation_hash=agreed.hash,
        round_number=round_number,
        model_hash=hash_model(model),
        invited=listed(invited),
        after=after,
        repeat=repeat,
        opener=opener,
    )


def announced_anew(announced, **changes):
    """A changed announcement, which the aggregator signs."""
    fields = ("federation_hash", "round_number", "model_hash", "after", "repeat", "opener")
    values = {name: getattr(announced, name) for name in fields}
    values["invited"] = listed(changes.pop("invited", invited_to(announced)))
    return RoundDescriptor.signed(identity(AGGREGATOR), **(values | changes))


def announcement(announced, name, *, chain=None, **options):
    """What a contributor is sent; one who is not invited may have the list of others."""
    invited = invited_to(announced)
    to = name if name in invited else None
    return Announcement.of(announced, invited, chain, to=to, **options).to_bytes()


def with_set(message, *, headers=None, **changes):
    """A request or transcript with another set; headers keep what is theirs alone."""
    asked = message.contributed
    if headers is not None:
        invited = changes.get("invited", asked.invited)
        changes["num_chunks"] = headers[0].num_chunks if headers else 0
        changes["contributions"] = tuple(
            SignedRoot(invited.index_of(each.contributor), each.root, each.signature)
            for each in headers
        )
    return dataclasses.replace(message, contributed=dataclasses.replace(asked, **changes))


def round_set(announced, headers):
    return RoundSet.of(announced, invited_to(announced), headers)


def aggregator(agreed, announced, **options):
    options = {"invited": invited_to(announced)} | options
    return Aggregator(agreed, identity(AGGREGATOR), announced, **options)


def contributor(agreed, name, **options):
    options = {"rounds": RoundLedger.in_memory()} | options
    return Contributor(agreed, identity(name), **options)


def contribute(agreed, announced, name, delta=0.5, *, weight=1.0, chain=None, **options):
    """One contribution of a contributor that answers nothing else."""
    values = np.full(agreed.codec.dim, delta) if np.isscalar(delta) else delta
    return contributor(agreed, name, **options).contribute(
        announcement(announced, name, chain=chain),
        values,
        model_hash=announced.model_hash,
        weight=weight,
    )


def opener_of(agreed):
    """The name of one who may open a round of ``descriptor``."""
    return agreed.openers[0].name


def key_of(agreed, name):
    """What the holder of this name has: a share, or the secret key."""
    if agreed.trust != "threshold":
        return known_key(2048).secret
    index = [holder.name for holder in agreed.holders].index(name)
    if agreed.public_key == shared_key().public:
        return shared_key().shares[index]
    return toy_key(agreed.key.num_holders, agreed.key.threshold)[1][index]


def holder(agreed, name, rounds=None, sums=None):
    rounds = RoundLedger.in_memory() if rounds is None else rounds
    return KeyHolder(agreed, identity(name), key=key_of(agreed, name), rounds=rounds, sums=sums)


class Round:
    """An aggregator with some contributions, and holders with ledgers of their own.

    Holders that ``keep`` what they have checked are not sent it again when they open.
    """

    def __init__(
        self,
        agreed=None,
        names=NAMES[:3],
        *,
        store=None,
        deltas=None,
        keep=False,
        chain=None,
        **changes,
    ):
        self.federation = federation() if agreed is None else agreed
        self.descriptor = descriptor(self.federation, **changes)
        self.store = store
        self.chain = chain
        self.aggregator = self.new_aggregator()
        parties = self.federation.holders or self.federation.contributors
        self.ledgers = {party.name: RoundLedger.in_memory() for party in parties}
        self.sums = {party.name: KeptSums() for party in parties} if keep else {}
        deltas = dict.fromkeys(names, 0.5) if deltas is None else deltas
        self.messages = {name: self.contribution(name, deltas[name]) for name in names}
        for message in self.messages.values():
            self.aggregator.receive(message)

    def new_aggregator(self):
        return aggregator(self.federation, self.descriptor, store=self.store, chain=self.chain)

    def restart(self):
        """The aggregator dies, and another goes on with its store."""
        self.aggregator = self.new_aggregator()

    def contribution(self, name, delta=0.5, **options):
        options["chain"] = self.chain
        return contribute(self.federation, self.descriptor, name, delta, **options)

    def holder(self, name="holder-1"):
        return holder(self.federation, name, self.ledgers[name], self.sums.get(name))

    def asked(self, missing=(), **options):
        """What holders are asked next: to lock, or to open."""
        requests = self.aggregator.open_requests(missing=missing, **options)
        return {name: b"".join(frames) for name, frames in requests.items()}

    def requests(self, missing=()):
        """What holders are asked to open, once they have locked the set."""
        while self._are_of_locks(requests := self.asked(missing)):
            for name, request in requests.items():
                self.aggregator.receive_opening(self.holder(name).open(request))
        return requests

    def _are_of_locks(self, requests):
        """Whether holders answer with their locks: they are asked to, or have kept nothing."""
        if self.federation.num_locks == 0:
            return False
        for request in requests.values():
            head, *others = frames_of(request)
            asked = OpenRequest.from_bytes(head)
            is_short = len(others) == asked.num_links and not self.sums
            if not asked.locks or is_short:
                return True
        return False

    def open(self, missing=()):
        """Ask the holders, and take their answers."""
        while requests := self.requests(missing):
            for name, request in requests.items():
                if self.aggregator.num_missing_chunks > 0:
                    self.aggregator.receive_opening(self.holder(name).open(request))

    def finish(self, missing=()):
        self.open(missing)
        return self.aggregator.finish()


def quantised_sum(codec, deltas, weights=None):
    """The codec's own exact sum of these."""
    weights = [1.0] * len(deltas) if weights is None else weights
    slots = sum(
        codec.quantise(np.full(codec.dim, x) if np.isscalar(x) else x, weight=w)[0]
        for x, w in zip(deltas, weights, strict=True)
    )
    return codec.dequantise(slots, num_addends=len(deltas))


def assert_sums(result, expected):
    assert np.array_equal(result.sum.values, expected.values)
    assert result.sum.weight == expected.weight
    assert result.sum.num_addends == expected.num_addends


def frames_of(message):
    return list(split_frames(message, max_frame_bytes=1 << 30))
