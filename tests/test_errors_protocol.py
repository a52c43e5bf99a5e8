"""Only documented errors: wrong calls of noise, privacy, identities, messages, parties and records.

Every function and class that users see is here with each of its parameters; a TypeError names the
parameter.
"""

import dataclasses
import tempfile
from pathlib import Path

import numpy as np
import protocol_parties as parties
import pytest
from known_keys import known_key
from odd_values import ODD, assert_documented_errors
from veilsum import identity, noise, privacy, secure_sum
from veilsum.message import Message
from veilsum.wire import WireKind, Writer

MORE_ODD = [
    *ODD,
    "\ud800",
    "a\0b",
    "../x",
    float("inf"),
    np.float64("nan"),
    10**400,
    np.ma.masked_array([1, 2], mask=[True, False]),
    np.zeros(2),
    np.bool_(True),
]
FOLDER = tempfile.TemporaryDirectory()

RUN = secure_sum.RunName(b"key", b"federation", 1)


def each_parameter(name, function, /, **good):
    """The function with one odd argument, for each of its parameters."""
    for parameter in good:
        yield (
            f"{name} {parameter}",
            parameter,
            lambda x, p=parameter: function(**{**good, p: x}),
        )


def fields_of(good):
    """The same for the fields of a message."""
    kind = type(good)
    values = {field.name: getattr(good, field.name) for field in dataclasses.fields(good)}
    return each_parameter(kind.__name__, kind, **values)


def noise_calls():
    for draw, name in ((noise.discrete_gaussian, "sigma"), (noise.discrete_laplace, "scale")):
        good = {name: 3.0, "size": 2, "dtype": np.int64, "out": None, "num_threads": 1}
        yield from each_parameter(draw.__name__, draw, **good)
    for add, name in (
        (noise.add_discrete_gaussian, "sigma"),
        (noise.add_discrete_laplace, "scale"),
    ):
        good = {"values": np.zeros(2, np.int64), name: 3.0, "num_threads": 1}
        yield from each_parameter(add.__name__, add, **good)


def privacy_calls():
    gaussian, codec = parties.NOISE, parties.NOISY_CODEC
    laplace = privacy.LaplaceNoise(epsilon=1.0, rounds=1, norm_bound=2.0)
    for goal, fitted in ((gaussian, codec), (laplace, laplace.fit(codec))):
        yield from fields_of(goal)
        kind = type(goal).__name__
        slots = np.zeros(codec.dim + 1, np.int64)
        slots[-1] = codec.weight_scale
        for method, good in {
            "fit": {"codec": fitted},
            "check_fits": {"codec": fitted},
            "sensitivity": {"codec": fitted},
            "standard_deviation": {"codec": fitted},
            "round_cost": {"codec": fitted, "honest_contributors": 3},
            "epsilon_of": {"cost": 1.0},
        }.items():
            yield from each_parameter(f"{kind}.{method}", getattr(goal, method), **good)
        yield f"{kind}.add_to slots", "slots", lambda x, g=goal, c=fitted: g.add_to(x, c)
        yield f"{kind}.add_to codec", "codec", lambda x, g=goal, z=slots: g.add_to(z, x)
    yield from each_parameter("sigma", gaussian.sigma, codec=codec)
    yield from each_parameter("scale", laplace.scale, codec=laplace.fit(codec))
    yield from each_parameter("zcdp", gaussian.zcdp, codec=codec, honest_contributors=3)
    for function, good in (
        (privacy.gaussian_delta, {"mu": 1.0, "epsilon": 1.0}),
        (privacy.gaussian_epsilon, {"mu": 1.0, "delta": 0.1}),
        (privacy.gaussian_mu, {"epsilon": 1.0, "delta": 0.1}),
        (privacy.zcdp_epsilon, {"rho": 1.0, "delta": 0.1}),
        (
            privacy.zcdp_of_sum,
            {"sigma": 4.0, "num_terms": 2, "sensitivity": 1.0, "num_slots": 3},
        ),
        (privacy.zcdp.sum_distance, {"sigma": 4.0, "num_terms": 2}),
    ):
        yield from each_parameter(function.__name__, function, **good)
    fixed = privacy.FixedSizeSampling(population=10, sample_size=3)
    yield from fields_of(fixed)
    yield from fields_of(
        privacy.PoissonSampling(population=10, probability=0.5, min_contributors=2)
    )
    for function in (privacy.pld_epsilon, privacy.rdp_epsilon):
        good = {"noise": gaussian, "codec": codec, "rounds": 2, "delta": 1e-3}
        good |= {"honest_contributors": None, "sampling": None}
        yield from each_parameter(function.__name__, function, **good)
    yield from each_parameter("read_noise", privacy.read_noise, reader=None)
    writer = Writer(WireKind.FEDERATION, 1)
    yield from each_parameter("write_noise", privacy.write_noise, writer=writer, noise=gaussian)


def ledger_calls():
    budget = {"epsilon": 1.0, "delta": 1e-6}
    yield from each_parameter("Ledger", privacy.Ledger, database=None)
    yield from each_parameter("Ledger.in_memory", privacy.Ledger.in_memory, **budget)
    yield from each_parameter(
        "Ledger.create", privacy.Ledger.create, path=Path(FOLDER.name), **budget
    )
    yield from each_parameter("Ledger.open", privacy.Ledger.open, path="")
    ledger = privacy.Ledger.in_memory(epsilon=1e9, delta=1e-6)
    charge = {"round_id": b"1", "noise": parties.NOISE, "codec": parties.NOISY_CODEC}
    yield from each_parameter("Ledger.check", ledger.check, **charge)
    yield from each_parameter("Ledger.charge", ledger.charge, **charge, commitment=b"")
    for method in (ledger.has, ledger.commitment):
        yield from each_parameter(f"Ledger.{method.__name__}", method, round_id=b"")
    rounds = secure_sum.RoundLedger
    yield from each_parameter(
        "RoundLedger", rounds, database=rounds.in_memory()._database, role=None
    )
    yield from each_parameter("RoundLedger.create", rounds.create, path="", role=identity.Role(1))
    yield from each_parameter("RoundLedger.open", rounds.open, path="")
    answers = rounds.in_memory()
    yield from each_parameter("RoundLedger.check_role", answers.check_role, role=None)
    yield from each_parameter("RoundLedger.answered", answers.answered, run=RUN)
    yield from each_parameter("RoundLedger.pin", answers.pin, run=RUN)
    run = RUN
    yield from each_parameter(
        "RoundLedger.record", answers.record, run=run, round_number=1, answer=b""
    )
    for field in run._fields:
        yield (
            f"RoundLedger.record run.{field}",
            f"run.{field}",
            lambda x, f=field: answers.record(run._replace(**{f: x}), 1, b""),
        )
    yield from each_parameter("RunName.of", secure_sum.RunName.of, federation=parties.federation())


def identity_calls():
    ada = parties.identity("ada")
    place = {"kind": WireKind.OPENING, "role": identity.Role.HOLDER, "round_id": bytes(32)}
    yield from each_parameter("Identity", identity.Identity, name="ada", key=ada._key)
    yield from each_parameter("Identity.generate", identity.Identity.generate, name="ada")
    yield from each_parameter("Identity.sign", ada.sign, **place, payload=b"")
    yield from each_parameter(
        "Identity.load", identity.Identity.load, path="", passphrase="a passphrase"
    )
    yield from fields_of_enrolment(ada.enrol())
    signed = {"party": ada.enrol(), "signature": ada.sign(**place, payload=b""), **place}
    yield from each_parameter("verify", identity.verify, **signed, payload=b"")


def fields_of_enrolment(party):
    good = {"name": party.name, "public_key": party.public_key}
    return each_parameter("Enrolment", identity.Enrolment, **good)


def message_calls():
    state = parties.Round(parties.federation("threshold", toy=(5, 4)))
    requests = state.requests()
    answer = secure_sum.Opening.from_bytes(
        parties.frames_of(state.holder().open(requests["holder-1"]))[0]
    )
    state.open()
    transcript = secure_sum.Transcript.from_bytes(state.aggregator.finish().transcript)
    request, chunk_request, *_ = parties.frames_of(requests["holder-1"])
    header, chunk, *_ = parties.frames_of(state.messages["ada"])
    kinds = secure_sum
    for message in (
        state.descriptor,
        kinds.ContributionHeader.from_bytes(header),
        kinds.Chunk.from_bytes(chunk),
        kinds.OpenRequest.from_bytes(request),
        kinds.ChunkRequest.from_bytes(chunk_request),
        answer,
        answer.receipt(),
        transcript,
        transcript.contributed,
        transcript.contributed.contributions[0],
        transcript.contributed.invited,
        transcript.contributed.invited.invited[0],
        transcript.contributed.invited.invitation("ada"),
    ):
        yield from fields_of(message)
        if isinstance(message, Message):
            name = type(message).__name__
            yield from each_parameter(f"{name}.from_bytes", message.from_bytes, data=b"")
    yield from each_parameter("Enrolment.from_bytes", kinds.Enrolment.from_bytes, data=b"")
    ada, root = parties.identity("ada"), bytes(32)
    good = {"identity": ada, "round_id": root, "num_chunks": 1, "root": root}
    yield from each_parameter("ContributionHeader.signed", kinds.ContributionHeader.signed, **good)
    good = {"identity": ada, "round_id": root, "set_hash": root, "index": 0, "body": b""}
    yield from each_parameter("Opening.signed", kinds.Opening.signed, **good)
    for signed in (transcript.headers[0], answer, answer.receipt()):
        yield f"{type(signed).__name__}.verify", "party", signed.verify
    asked = transcript.contributed
    parts = {"contributed": asked, "receipts": [], "link": None, "locks": ()}
    yield from each_parameter("Transcript.of", kinds.Transcript.of, **parts)
    parts = {"descriptor": asked.descriptor, "invited": asked.invited, "headers": asked.headers}
    yield from each_parameter("RoundSet.of", kinds.RoundSet.of, **parts)
    parts |= {"chain": None, "to": "ada", "seen": 0}
    del parts["headers"]
    yield from each_parameter("Announcement.of", kinds.Announcement.of, **parts)
    invitation = asked.invited.invitation("ada")
    parts = {"num_invited": 4, "root": asked.invited.root}
    yield from each_parameter("Invitation.verify", invitation.verify, **parts)
    yield from each_parameter("Transcript.verify", transcript.verify, federation=state.federation)
    good = {"arrays": [], "purpose": "train"}
    yield from each_parameter("hash_model", kinds.hash_model, **good)
    yield "hash_model array", "arrays[0]", lambda x: kinds.hash_model([x])


def agreement_calls():
    agreed = parties.federation()
    good = {field.name: getattr(agreed, field.name) for field in dataclasses.fields(agreed)}
    yield from each_parameter("Federation", secure_sum.Federation, **good)
    yield from each_parameter("Federation.from_bytes", secure_sum.Federation.from_bytes, data=b"")
    dealer = parties.identity("dealer")
    pins = {"data": agreed.signed_by(dealer), "expected_hash": agreed.hash}
    yield from each_parameter(
        "Federation.from_signed", secure_sum.Federation.from_signed, **pins, dealer=dealer.enrol()
    )
    yield from each_parameter(
        "Federation.dealer_named_in", secure_sum.Federation.dealer_named_in, data=b""
    )
    day = {"last_day": agreed.last_day, "aggregator": agreed.aggregator}
    for method, options in (
        (agreed.renewed, day),
        (agreed.is_renewal_of, {"other": agreed}),
        (agreed.signed_by, {"dealer": dealer}),
        (agreed.contributor, {"name": "ada"}),
        (agreed.holder, {"name": "ada"}),
        (agreed.chunks_within, {"num_bytes": 1, "num_contributors": 1}),
    ):
        yield from each_parameter(f"Federation.{method.__name__}", method, **options)


def party_calls():
    agreed = parties.federation()
    announced = parties.descriptor(agreed)
    good = {"federation": agreed, "identity": parties.identity("ada")}
    good |= {"rounds": secure_sum.RoundLedger.in_memory(), "ledger": None}
    yield from each_parameter("Contributor", secure_sum.Contributor, **good, outbox=None)
    message = {
        "announcement": parties.announcement(announced, "dan"),
        "model_hash": announced.model_hash,
    }
    delta = np.zeros(agreed.codec.dim)
    for method in ("contribute", "contribute_in_frames"):
        for name, parameter, function in each_parameter(
            method,
            lambda m=method, **options: getattr(parties.contributor(agreed, "dan"), m)(**options),
            **message,
            delta=delta,
            weight=1.0,
            num_threads=1,
        ):
            # The codec says what is wrong with these.
            yield name, None if parameter in ("delta", "weight") else parameter, function
    dan = parties.contributor(agreed, "dan")
    yield from each_parameter("before_training", dan.before_training, **message)
    good = {"federation": agreed, "identity": parties.identity("holder-1")}
    good |= {"key": known_key(2048).secret, "rounds": secure_sum.RoundLedger.in_memory()}
    yield from each_parameter("KeyHolder", secure_sum.KeyHolder, **good)
    holder = parties.holder(agreed, "holder-1")
    yield from each_parameter("KeyHolder.open", holder.open, request=b"", num_threads=1)
    state = parties.Round(agreed)
    good = {"federation": agreed, "identity": parties.identity(parties.AGGREGATOR)}
    good |= {
        "descriptor": announced,
        "invited": parties.NAMES,
        "chain": None,
        "store": None,
        "num_threads": 1,
    }
    yield from each_parameter("Aggregator", secure_sum.Aggregator, **good)
    aggregator = state.aggregator
    yield from each_parameter("Aggregator.receive", aggregator.receive, message=b"")
    yield from each_parameter(
        "Aggregator.open_requests", aggregator.open_requests, missing=(), max_chunks=1
    )
    yield from each_parameter("Aggregator.receive_opening", aggregator.receive_opening, message=b"")


def record_calls():
    folder = Path(FOLDER.name)
    for kind, store in (
        ("MemoryStore", secure_sum.MemoryStore()),
        ("FolderStore", secure_sum.FolderStore(folder / "store")),
    ):
        frame = parties.descriptor(parties.federation()).to_bytes()
        store.put("opening", "a", [frame])
        good = {"kind": "opening", "name": "a"}
        yield from each_parameter(f"{kind}.put", store.put, **good, frames=[frame])
        yield from each_parameter(f"{kind}.frames", store.frames, **good)
        yield from each_parameter(f"{kind}.frame", store.frame, **good, index=0)
        yield from each_parameter(f"{kind}.names", store.names, kind="opening")
    for folder_kind in (secure_sum.FolderStore, secure_sum.Outbox, secure_sum.PartyFolder):
        yield from each_parameter(folder_kind.__name__, folder_kind, path="")
    outbox = secure_sum.Outbox(folder / "outbox")
    with outbox.locked():
        pass
    yield "Outbox.keep", "header", lambda x: outbox.keep(x, [])
    for method in (outbox.find, outbox.drop, outbox.drop_others):
        yield from each_parameter(f"Outbox.{method.__name__}", method, commitment=b"")
    agreed = parties.federation()
    good = {
        "path": folder / "party",
        "signed_federation": agreed.signed_by(parties.identity("dealer")),
        "identity": parties.identity("ada"),
        "passphrase": "a passphrase",
        "expected_hash": agreed.hash,
        "dealer": None,
        "key": None,
        "privacy_ledger": None,
    }
    yield from each_parameter("PartyFolder.create", secure_sum.PartyFolder.create, **good)
    party = secure_sum.PartyFolder.create(**good | {"path": folder / "made"})
    yield from each_parameter("PartyFolder.rounds", party.rounds, role=identity.Role(1))
    (folder / "party").write_text("nothing is overwritten")


CALLS = {
    name: (parameter, function)
    for calls in (
        noise_calls,
        privacy_calls,
        ledger_calls,
        identity_calls,
        message_calls,
        agreement_calls,
        party_calls,
        record_calls,
    )
    for name, parameter, function in calls()
}


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch, cheap_key_files):
    """Where a path such as "1" leads."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.filterwarnings("default::DeprecationWarning")
def test_wrong_calls_get_documented_errors_that_name_the_parameter(name):
    parameter, function = CALLS[name]
    assert assert_documented_errors(name, function, parameter=parameter, odd=MORE_ODD) > 0
