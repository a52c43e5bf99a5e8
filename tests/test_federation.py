"""Agreements and announcements: what they must be, and that parties know whose they have."""

import dataclasses
import datetime

import numpy as np
import protocol_parties as parties
import pytest
import veilsum as vs
from hypothesis import given
from hypothesis import strategies as st
from known_keys import known_key
from protocol_parties import CODEC, NAMES, NOISE, NOISY_CODEC, TRUSTS
from shared_keys import shared_key
from validation_rules import rule
from veilsum import schemes
from veilsum.secure_sum import (
    ChainEnd,
    Chunk,
    ChunkRequest,
    ContributionHeader,
    Enrolment,
    Federation,
    Identity,
    Invitations,
    Opening,
    OpenRequest,
    RoundDescriptor,
    RoundSet,
)

# ---- messages survive the wire ----

HASHES = st.binary(min_size=32, max_size=32)
SIGNATURES = st.binary(min_size=64, max_size=64)
ALONE = dataclasses.replace(NOISE, honest_contributors=1)
LAPLACE = vs.privacy.LaplaceNoise(epsilon=4.0, rounds=2, norm_bound=2.0, weighted=False)
SETS_OF_NAMES = st.sets(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=60), min_size=1, max_size=9
)


def survives(message):
    return type(message).from_bytes(message.to_bytes()) == message


@given(HASHES, st.integers(1, 2**63 - 1), SETS_OF_NAMES)
def test_descriptors_survive_the_wire(hash_, number, names):
    original = RoundDescriptor.signed(
        parties.identity(parties.AGGREGATOR),
        federation_hash=hash_,
        round_number=number,
        after=ChainEnd(number - 1, hash_) if number > 1 and any(hash_) else ChainEnd(),
        model_hash=hash_,
        invited=tuple(names),
    )
    assert survives(original)
    assert original.num_invited == len(names)
    assert original.invites(Invitations.of(names))
    assert not original.invites(Invitations.of([*names, "somebody else"]))


@given(HASHES, SETS_OF_NAMES, SIGNATURES, st.binary(max_size=50), st.data())
def test_messages_survive_the_wire(hash_, names, signature, payload, data):
    invited = Invitations.of(dict.fromkeys(names, data.draw(st.none() | st.just(max(names)))))
    descriptor = RoundDescriptor.signed(
        parties.identity(parties.AGGREGATOR),
        federation_hash=hash_,
        round_number=1,
        model_hash=hash_,
        invited=invited,
    )
    num_chunks = data.draw(st.integers(1, 2**32 - 1))
    headers = tuple(
        ContributionHeader(
            round_id=descriptor.round_id,
            contributor=name,
            num_chunks=num_chunks,
            root=hash_,
            signature=signature,
        )
        for name in sorted(names)
    )
    chunks = st.sets(st.integers(0, 2**32 - 1), min_size=1, max_size=5)
    asked = {"holder": min(names), "chunks": tuple(sorted(data.draw(chunks)))}
    assert all(map(survives, headers))
    request = OpenRequest(contributed=RoundSet.of(descriptor, invited, headers), **asked)
    assert survives(request)
    assert OpenRequest.from_bytes(request.to_bytes()).headers == headers
    index = data.draw(st.integers(0, 2**32 - 1))
    assert survives(Chunk(index=index, body=payload, proof=data.draw(st.binary())))
    path = tuple(data.draw(st.lists(HASHES, max_size=32)))
    assert survives(ChunkRequest(contribution=index, path=path, chunk=payload))
    assert survives(
        Opening(
            round_id=hash_,
            set_hash=hash_,
            holder=min(names),
            index=index,
            body=payload,
            signature=signature,
        )
    )
    assert survives(Enrolment(min(names), hash_))


@pytest.mark.parametrize("noise", [None, NOISE, ALONE, LAPLACE])
@pytest.mark.parametrize("trust", TRUSTS)
def test_federations_survive_the_wire(noise, trust):
    if trust == "contributors" and noise is NOISE:
        return  # FD9
    codec = CODEC if noise is None else noise.fit(NOISY_CODEC)
    original = parties.federation(trust, noise=noise, codec=codec, colluding_contributors=1)
    read = Federation.from_bytes(original.to_bytes())
    assert read == original
    assert (read.hash, read.trust, read.fewest) == (original.hash, trust, 3)


def test_every_part_of_an_agreement_is_in_its_hash():
    hashes = {parties.federation(trust).hash for trust in TRUSTS}
    for changes in (
        {"key": known_key("2048-other").public},
        {"codec": NOISY_CODEC},
        {"codec": NOISY_CODEC, "noise": NOISE},
        {"contributors": parties.roster(*NAMES[:3])},
        {"contributors": (*parties.roster(*NAMES[:3]), Identity.generate("dan").enrol())},
        {"holders": parties.roster("another")},
        {"honest_contributors": 3},
        {"colluding_contributors": 1},
        {"min_contributors": 3},
        {"chunk_size": 2},
        {"aggregator": Enrolment(parties.AGGREGATOR, bytes(32))},
        {"aggregator": Enrolment("another", parties.identity(parties.AGGREGATOR).public_key)},
        {"run_id": bytes(range(16))},
        {"serial": 2},
        {"last_day": datetime.date(2999, 12, 30)},
    ):
        hashes.add(parties.federation(**changes).hash)
    assert len(hashes) == 3 + 15
    reordered = parties.federation(contributors=parties.roster(*reversed(NAMES)))
    assert reordered == parties.federation()


# ---- agreements that cannot be ----


def refused(match, trust="authority", **changes):
    with pytest.raises(vs.InvalidArgumentError, match=match):
        parties.federation(trust, **changes)


@rule("FD1", "FD2")
def test_an_agreement_fits_together():
    refused("norm", noise=NOISE)
    refused("noise_bound", noise=NOISE, codec=dataclasses.replace(NOISY_CODEC, noise_bound=1))
    strict = dataclasses.replace(NOISE, honest_contributors=3)
    refused("counts on 3", noise=strict, codec=strict.fit(NOISY_CODEC))
    for honest in (1, 0):
        refused("at least 2", honest_contributors=honest)
    refused("honest_contributors is -1", honest_contributors=-1)
    refused("colluding_contributors is -1", colluding_contributors=-1)
    refused("at least 2", min_contributors=1)
    refused("at least 4", min_contributors=3, honest_contributors=3, colluding_contributors=1)
    refused("max_addends, 4", min_contributors=5)
    refused(
        r"honest_contributors \+ colluding_contributors is 5, and a sum has at most 3: ",
        contributors=parties.roster(*NAMES[:3]),
        colluding_contributors=3,
    )
    refused(
        "3 contributors on the roster", contributors=parties.roster(*NAMES[:3]), min_contributors=4
    )
    refused("on the roster", contributors=())
    data = bytearray(parties.federation().to_bytes())
    for position in (16, 17, 33):  # trust, honest_contributors, min_contributors
        damaged = bytes([*data[:position], 0 if position > 16 else 7, *data[position + 1 :]])
        with pytest.raises(vs.MalformedDataError):
            Federation.from_bytes(damaged)


@rule("FD3")
def test_a_chunk_has_a_size():
    for chunk_size in (0, -1, 4097, 2**40):
        refused("at least 1 and at most 4096", chunk_size=chunk_size)


@rule("FD4")
def test_a_roster_has_everyone_once():
    ada = parties.identity("ada")
    again = Enrolment("ada-again", ada.public_key)
    for extra in (ada.enrol(), again, Identity.generate("ada").enrol()):
        refused("twice", contributors=(*parties.roster(*NAMES), extra))
    five = parties.roster(*parties.holder_names("threshold"))
    refused("twice", "threshold", holders=(*five[:4], five[0]))


@rule("FD5")
def test_holders_are_as_many_as_there_are_shares():
    five = parties.roster(*parties.holder_names("threshold"))
    for holders in ((), five[:4], (*five, *parties.roster("one-more"))):
        refused("5 holders", "threshold", holders=holders)
    refused("one secret key has one holder", holders=five[:2])
    refused("no data", holders=parties.roster("ada"))
    refused("no data", holders=(Enrolment("authority", parties.identity("ada").public_key),))
    refused("no data", holders=(Identity.generate("ada").enrol(),))


@rule("FD6")
def test_a_roster_is_sorted_on_the_wire_and_the_trust_is_that_of_the_key():
    data = parties.federation(contributors=parties.roster("ada", "bob")).to_bytes()
    ada, bob = (b"\x03" + n.encode() + parties.identity(n).public_key for n in ("ada", "bob"))
    assert data.count(ada + bob) == 1
    assert data[16] == 1 | 1 << 4  # An authority, and masked.
    for wrong in (data.replace(ada + bob, bob + ada), data[:16] + b"\x10" + data[17:]):
        with pytest.raises(vs.MalformedDataError, match="order"):
            Federation.from_bytes(wrong)
    with pytest.raises(vs.MalformedDataError):  # A threshold key is wanted there.
        Federation.from_bytes(data[:16] + b"\x12" + data[17:])


@rule("FD9")
@pytest.mark.parametrize("adjacency", ["zero-out", "replace-one"])
def test_noise_counts_on_nobody_where_one_contributor_can_open(adjacency):
    for honest in (2, 3, 1000):
        strict = dataclasses.replace(NOISE, honest_contributors=honest, adjacency=adjacency)
        codec = strict.fit(NOISY_CODEC)
        if honest < 4:
            for trust in ("authority", "threshold"):
                options = {"codec": codec, "noise": strict, "honest_contributors": honest}
                assert parties.federation(trust, **options).noise == strict
            refused("honest_contributors=1, take LaplaceNoise, or name", "contributors", **options)
    for noise in (dataclasses.replace(ALONE, adjacency=adjacency), LAPLACE):
        options = {"codec": noise.fit(NOISY_CODEC), "noise": noise}
        assert parties.federation("contributors", **options).noise == noise
    with_authority = parties.federation(noise=NOISE, codec=NOISY_CODEC).to_bytes()
    name = parties.holder_names("authority")[0].encode()
    holder = bytes([1, 0, 0, 0, len(name)]) + name + parties.identity(name.decode()).public_key
    body = b"\x10" + with_authority[17:].replace(holder, bytes(4))
    assert len(body) == len(with_authority) - 16 - len(holder) + 4
    message = with_authority[:8] + len(body).to_bytes(8, "little") + body
    with pytest.raises(vs.MalformedDataError, match="honest_contributors=1"):
        Federation.from_bytes(message)


def test_fedavg_counts_on_nobody_where_one_client_can_open():
    class Client:
        num_samples = 1

        def train(self, model, epochs):
            return model

    options = {"codec": vs.Codec(4, clip=1.0, value_bits=24, max_addends=3), "fraction": 1.0}
    with pytest.raises(vs.InvalidArgumentError, match="honest_contributors=1"):
        vs.FedAvg(
            [np.zeros(4)],
            [Client() for _ in range(3)],
            trust="contributors",
            key=known_key(2048).secret,
            noise=dataclasses.replace(NOISE, rounds=1),
            weighting="uniform",
            **options,
        )


@rule("FD10")
def test_an_aggregator_is_neither_contributor_nor_holder():
    for name in ("ada", "holder-1"):
        known = parties.identity(name)
        for aggregator in (
            known.enrol(),
            Enrolment("another", known.public_key),
            Enrolment(name, parties.identity("another").public_key),
        ):
            refused("aggregator has", aggregator=aggregator)
    ours, other = (parties.identity(name).enrol() for name in (parties.AGGREGATOR, "ada"))
    data = parties.federation().to_bytes()
    one, two = (bytes([len(e.name)]) + e.name.encode() + e.public_key for e in (ours, other))
    body = data[16:].replace(one, two)
    with pytest.raises(vs.MalformedDataError, match="aggregator has"):
        Federation.from_bytes(data[:8] + len(body).to_bytes(8, "little") + body)


@rule("FD11")
def test_an_agreement_has_one_run_a_serial_number_and_a_last_day():
    for size in (0, 15, 17):
        refused("run_id has", run_id=bytes(size))
    for serial in (0, -1, 2**63):
        refused("serial is", serial=serial)
    refused("1970-01-01 or later", last_day=datetime.date(1969, 12, 31))
    for wrong in ({"last_day": datetime.datetime(2030, 1, 1)}, {"serial": 1.0}, {"run_id": "x"}):
        with pytest.raises(TypeError, match=next(iter(wrong))):
            parties.federation(**wrong)
    for last in (datetime.date(1970, 1, 1), datetime.date.max):
        agreed = parties.federation(last_day=last, serial=2**63 - 1)
        assert Federation.from_bytes(agreed.to_bytes()) == agreed
    data = parties.federation(last_day=datetime.date.max).to_bytes()
    day = (datetime.date.max - datetime.date(1970, 1, 1)).days
    place = data.index(day.to_bytes(4, "little"))
    later = data[:place] + (day + 1).to_bytes(4, "little") + data[place + 4 :]
    with pytest.raises(vs.MalformedDataError, match="calendar"):
        Federation.from_bytes(later)


@rule("FD14")
def test_parameters_are_those_of_the_scheme(monkeypatch):
    packed = parties.federation("threshold", scheme="packed")
    masked = parties.federation("authority")
    shape = masked.scheme_parameters
    assert (packed.scheme_parameters, len(shape)) == (b"", 4)
    log_dim, num_primes, bits, num_digits = shape
    wrong = {
        "has 4 bytes, not 3": shape[:3],
        "has 4 bytes, not 5": shape + b"\0",
        "no masks are made in a ring like that": bytes([13, num_primes, bits, num_digits]),
        "do not fit this ring": bytes([log_dim, num_primes, 24, num_digits]),
    }
    for match, parameters in wrong.items():
        refused(match, scheme_parameters=parameters)
    many = dataclasses.replace(CODEC, value_bits=24, max_addends=20_000)
    refused("fewer than 128 bits", codec=many, scheme_parameters=bytes([12, 2, 46, 1]))
    refused("the packed scheme has none", "threshold", scheme="packed", scheme_parameters=shape)
    with pytest.raises(TypeError, match="scheme_parameters"):
        parties.federation(scheme_parameters="")

    # Unchecked, an agreement is accepted in which nobody can contribute, or that has two names.
    def unchecked(scheme, parameters):
        with monkeypatch.context() as patch:
            known = schemes.SCHEMES[scheme]._replace(settle=lambda codec, given: given)
            patch.setitem(schemes.SCHEMES, scheme, known)
            agreed = masked if scheme == "masked" else packed
            return dataclasses.replace(agreed, scheme_parameters=parameters)

    named_twice = unchecked("packed", b"x")
    assert named_twice.hash != packed.hash
    for agreed in (named_twice, *(unchecked("masked", each) for each in wrong.values())):
        with pytest.raises(vs.MalformedDataError, match="federation: "):
            Federation.from_bytes(agreed.to_bytes())


def test_a_renewal_is_the_same_agreement_for_another_run():
    old = parties.federation("threshold")
    day = datetime.date(2030, 1, 1)
    new = old.renewed(last_day=day)
    assert (new.serial, new.last_day, new.aggregator) == (2, day, old.aggregator)
    assert new.run_id != old.run_id
    assert new.is_renewal_of(old)
    assert old.renewed(last_day=day).run_id != new.run_id
    other = parties.identity("another").enrol()
    assert old.renewed(last_day=day, aggregator=other).aggregator == other
    for change in ({"min_contributors": 3}, {"chunk_size": 2}):
        assert not dataclasses.replace(new, **change).is_renewal_of(old)


# ---- who dealt an agreement ----


@rule("FD7", "FD8")
def test_a_federation_is_pinned_by_its_dealer_or_its_hash():
    agreed, dealer = parties.federation("threshold"), parties.identity("dealer")
    data = agreed.signed_by(dealer)
    for pins in (
        {"dealer": dealer.enrol()},
        {"expected_hash": agreed.hash},
        {"dealer": dealer.enrol(), "expected_hash": agreed.hash},
    ):
        assert Federation.from_signed(data, **pins) == agreed
    with pytest.raises(TypeError, match="pin"):
        Federation.from_signed(data)
    eve = parties.identity("eve")
    for pins in (
        {"dealer": eve.enrol()},
        {"dealer": Enrolment("dealer", eve.public_key)},
        {"expected_hash": bytes(32)},
        {"dealer": dealer.enrol(), "expected_hash": bytes(32)},
    ):
        with pytest.raises(vs.PolicyRefusedError):
            Federation.from_signed(data, **pins)
    weaker = parties.federation("threshold", chunk_size=2).to_bytes()
    swapped = data[: len(data) - len(weaker)] + weaker
    for wrong in (swapped, data[:16] + eve.enrol().to_bytes() + data[16:]):
        with pytest.raises((vs.SignatureError, vs.MalformedDataError)):
            Federation.from_signed(wrong, dealer=dealer.enrol())
    with pytest.raises(vs.SignatureError):
        Federation.from_signed(swapped, expected_hash=parties.federation("threshold").hash)


# ---- announcements ----


@rule("RD2")
def test_a_descriptor_is_whole():
    agreed = parties.federation()
    for wrong in (
        {"round_number": 0},
        {"round_number": 2**63},
        {"invited": ()},
        {"invited": ("ada", "ada")},
        {"invited": ("",)},
        {"invited": ("x" * 256,)},
        {"invited": ("\ud800",)},
        {"opener": ""},
        {"opener": "x" * 256},
    ):
        with pytest.raises(vs.InvalidArgumentError):
            parties.descriptor(agreed, **wrong)
    good = parties.descriptor(agreed)
    for number in (0, 2**20 + 1):
        with pytest.raises(vs.InvalidArgumentError, match="num_invited"):
            dataclasses.replace(good, num_invited=number)
    for name in ("federation_hash", "model_hash", "invited_root"):
        with pytest.raises(vs.InvalidArgumentError):
            dataclasses.replace(good, **{name: bytes(31)})
    named = parties.descriptor(agreed, invited=("a", "b"), opener="cy")
    data = named.to_bytes()
    assert data.count(b"\x01\x02cy") == 1
    assert RoundDescriptor.from_bytes(data) == named
    for swapped in (b"\x02\x01c", b"\x01\x03cy", b"\x01\x02\xff\xff", b"\x02\x00cy"):
        with pytest.raises(vs.MalformedDataError):
            RoundDescriptor.from_bytes(data.replace(b"\x01\x02cy", swapped))
    for wrong in (7, b"cy", ("cy",)):
        with pytest.raises(TypeError, match="opener"):
            parties.descriptor(agreed, opener=wrong)


# ---- sizes ----


@pytest.mark.parametrize("trust", TRUSTS)
def test_every_frame_of_a_round_is_below_the_limit(trust):
    """Also with the longest names: the limit must never refuse an honest message."""
    names = tuple(letter * 255 for letter in "abcd")
    agreed = parties.federation(trust, contributors=parties.roster(*names), chunk_size=4096)
    relays = dict.fromkeys(names, "r" * 255)
    state = parties.Round(agreed, names=names, invited=relays)
    for name, request in state.requests().items():
        if trust == "contributors":
            state.ledgers.setdefault(name, vs.secure_sum.RoundLedger.in_memory())
        answer = state.holder(name).open(request)
        for message in (*state.messages.values(), request, answer):
            assert max(map(len, parties.frames_of(message))) <= agreed.max_frame_bytes
        break


@pytest.mark.parametrize("trust", parties.TRUSTS)
@pytest.mark.parametrize("chunk_size", [1, 3, 4096])
def test_no_piece_is_longer_than_the_scheme_says(trust, chunk_size):
    toy = {"toy": (5, 4)} if trust == "threshold" else {}
    agreed = parties.federation(trust, chunk_size=chunk_size, **toy)
    message = parties.contribute(agreed, parties.descriptor(agreed), "ada")
    chunks = [Chunk.from_bytes(frame) for frame in parties.frames_of(message)[1:]]
    longest = max(len(chunk.body) + len(chunk.proof) for chunk in chunks)
    assert longest <= agreed.bodies.max_chunk_bytes < longest + 1024
    assert agreed.chunks_within(7 * agreed.bodies.max_chunk_bytes, num_contributors=3) == 2
    assert agreed.chunks_within(1, num_contributors=3) == 1


def test_the_limit_grows_with_rosters_as_requests_do():
    few, many = (
        parties.federation(
            contributors=tuple(
                Enrolment(f"{i:0255d}", i.to_bytes(32, "big")) for i in range(count)
            ),
            codec=vs.Codec(1, clip=1.0, value_bits=8, max_addends=2000),
        )
        for count in (2, 2000)
    )
    # A request names everyone twice, once with a header of 404 bytes.
    needed = 2000 * (256 + 8 + 404)
    assert many.max_frame_bytes >= needed
    assert many.max_frame_bytes < 3 * needed
    assert few.max_frame_bytes < 1 << 18


def test_a_key_of_threshold_holders_says_what_it_tolerates():
    agreed = parties.federation("threshold")
    assert agreed.key == shared_key().key
    assert (agreed.key.threshold, agreed.key.num_holders) == (4, 5)
    assert agreed.public_key == shared_key().public
