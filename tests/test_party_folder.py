"""A party's folder: made once, whole, from what was pinned; opened by each process anew."""

import json

import numpy as np
import protocol_parties as parties
import pytest
import veilsum as vs
from shared_keys import shared_key
from validation_rules import rule
from veilsum import durable, keyfile
from veilsum.identity import Role
from veilsum.secure_sum import (
    Federation,
    Identity,
    PartyFolder,
    RoundDescriptor,
    hash_model,
)

PASSPHRASE = "a passphrase for tests"
DIM = 40
MODEL_HASH = hash_model([np.zeros(DIM)])
NOISE = vs.privacy.LaplaceNoise(epsilon=1.0, rounds=2, norm_bound=1.0)


@pytest.fixture(autouse=True)
def cheap_scrypt(monkeypatch):
    monkeypatch.setattr(keyfile, "_LOG2_COST", 14)


@pytest.fixture(scope="module")
def people():
    names = ("ann", "bob", "cyd", *(f"holder-{i}" for i in range(1, 6)))
    return {name: Identity.generate(name) for name in names}


def agree(people, trust="threshold", noise=None, **changes):
    contributors = tuple(people[name].enrol() for name in ("ann", "bob", "cyd"))
    holders = tuple(people[f"holder-{i}"].enrol() for i in range(1, 6))
    codec = vs.Codec(DIM, clip=1.0, value_bits=16, max_addends=3)
    return Federation(
        key=shared_key().key if trust == "threshold" else shared_key().public,
        codec=noise.fit(codec) if noise else codec,
        aggregator=parties.identity(parties.AGGREGATOR).enrol(),
        run_id=bytes(16),
        last_day=parties.LAST_DAY,
        colluding_contributors=0,
        contributors=contributors,
        holders={"threshold": holders, "authority": holders[:1], "contributors": ()}[trust],
        noise=noise,
        **changes,
    )


def join(path, federation, identity, **options):
    return PartyFolder.create(
        path,
        federation.signed_by(Identity.generate("dealer")),
        identity=identity,
        passphrase=PASSPHRASE,
        **{"expected_hash": federation.hash} | options,
    )


def announce(federation, number=1):
    return RoundDescriptor.signed(
        parties.identity(parties.AGGREGATOR),
        federation_hash=federation.hash,
        round_number=number,
        model_hash=MODEL_HASH,
        invited=parties.listed(("ann", "bob", "cyd")),
        opener="bob" if federation.trust == "contributors" else None,
    )


@pytest.mark.parametrize("trust", ["threshold", "authority", "contributors"])
def test_a_round_of_parties_opened_anew_for_each_message(tmp_path, people, trust):
    federation = agree(people, trust, NOISE)
    secret = {"threshold": None, "authority": None, "contributors": shared_key().secret}[trust]
    for name in ("ann", "bob", "cyd"):
        join(tmp_path / name, federation, people[name], key=secret)
    shares = {f"holder-{share.holder}": share for share in shared_key().shares}
    keys = {"threshold": shares, "authority": {"holder-1": shared_key().secret}, "contributors": {}}
    for name, key in keys[trust].items():
        join(tmp_path / name, federation, people[name], key=key)

    descriptor = announce(federation)
    aggregator = parties.aggregator(federation, descriptor)
    for name in ("ann", "bob", "cyd"):
        party = PartyFolder(tmp_path / name).contributor(passphrase=PASSPHRASE)
        announcement = parties.announcement(descriptor, name)
        message = party.contribute(announcement, np.zeros(DIM), model_hash=MODEL_HASH)
        aggregator.receive(message)
        # The next process remembers, and says the same.
        again = PartyFolder(tmp_path / name).contributor(passphrase=PASSPHRASE)
        other = np.ones(DIM)
        assert again.contribute(announcement, other, model_hash=MODEL_HASH) == message
        with pytest.raises(vs.PolicyRefusedError):
            again.contribute(
                parties.announcement(parties.announced_anew(descriptor, invited=(name,)), name),
                other,
                model_hash=MODEL_HASH,
            )
    while requests := aggregator.open_requests():
        for name, request in requests.items():
            holder = PartyFolder(tmp_path / name).key_holder(passphrase=PASSPHRASE)
            aggregator.receive_opening(holder.open(b"".join(request)))
            assert PartyFolder(tmp_path / name).rounds(Role.HOLDER).federations() == {
                federation.hash: 1
            }
    assert aggregator.finish().contributors == ("ann", "bob", "cyd")
    assert PartyFolder(tmp_path / "ann").privacy_ledger.spent.num_contributions == 1


def test_the_folder_has_the_agreed_budget_and_is_for_its_owner_only(tmp_path, people):
    party = join(tmp_path / "ann", agree(people, noise=NOISE), people["ann"])
    assert party.privacy_ledger.budget == (1.0, 0.0)
    assert party.roles == (Role.CONTRIBUTOR,)
    assert party.rounds(Role.HOLDER) is None
    assert (tmp_path / "ann").stat().st_mode & 0o777 == 0o700
    for name in ("party.identity", "privacy.sqlite", "contributor-rounds.sqlite"):
        assert (tmp_path / "ann" / name).stat().st_mode & 0o077 == 0


@rule("PF1")
def test_a_folder_is_never_made_twice(tmp_path, people):
    federation = agree(people)
    join(tmp_path / "ann", federation, people["ann"])
    with pytest.raises(FileExistsError):
        join(tmp_path / "ann", federation, people["ann"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileExistsError):
        join(tmp_path / "empty", federation, people["ann"])


@rule("PF3", "PF4")
def test_what_is_refused_leaves_nothing_behind(tmp_path, people):
    federation = agree(people)
    stranger, double = Identity.generate("eve"), Identity.generate("ann")
    share = shared_key().shares[0]
    for identity, options, error in (
        (people["ann"], {"expected_hash": bytes(32)}, vs.PolicyRefusedError),
        (people["ann"], {"dealer": stranger.enrol()}, vs.PolicyRefusedError),
        (stranger, {}, vs.PolicyRefusedError),
        (double, {}, vs.PolicyRefusedError),
        (people["ann"], {"key": share}, vs.InvalidArgumentError),
        (people["ann"], {"privacy_ledger": tmp_path / "none"}, vs.InvalidArgumentError),
        (people["holder-1"], {}, vs.InvalidArgumentError),
        (people["holder-2"], {"key": share}, vs.InvalidArgumentError),
        (people["holder-1"], {"key": shared_key().secret}, vs.KeyMismatchError),
    ):
        with pytest.raises(error):
            join(tmp_path / "party", federation, identity, **options)
        assert list(tmp_path.iterdir()) == []


def test_a_crash_halfway_leaves_nothing_behind(tmp_path, people, monkeypatch):
    def crash(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(durable.os, "rename", crash)
    with pytest.raises(KeyboardInterrupt):
        join(tmp_path / "ann", agree(people), people["ann"])
    assert list(tmp_path.iterdir()) == []


def test_a_changed_signature_is_refused(tmp_path, people):
    federation = agree(people)
    signed = bytearray(federation.signed_by(people["bob"]))
    assert Federation.dealer_named_in(signed) == people["bob"].enrol()
    signed[24 + len(people["bob"].enrol().to_bytes()) + 5] ^= 1
    with pytest.raises(vs.SignatureError):
        PartyFolder.create(
            tmp_path / "ann",
            signed,
            identity=people["ann"],
            passphrase=PASSPHRASE,
            expected_hash=federation.hash,
        )


@rule("PF6")
def test_a_missing_ledger_is_never_made_anew(tmp_path, people):
    federation = agree(people, noise=NOISE)
    join(tmp_path / "ann", federation, people["ann"])
    for name in ("privacy.sqlite", "contributor-rounds.sqlite"):
        (tmp_path / "ann" / name).rename(tmp_path / name)
        with pytest.raises(vs.LedgerError, match="there is no"):
            PartyFolder(tmp_path / "ann").contributor(passphrase=PASSPHRASE)
        assert not (tmp_path / "ann" / name).exists()
        (tmp_path / name).rename(tmp_path / "ann" / name)
    with pytest.raises(vs.PassphraseError):
        PartyFolder(tmp_path / "ann").contributor(passphrase="another passphrase")


@rule("PF5")
def test_a_contributor_goes_on_with_its_privacy_ledger(tmp_path, people):
    federation = agree(people, noise=NOISE)
    ledger = vs.privacy.Ledger.create(tmp_path / "of-before.sqlite", epsilon=0.75)
    ledger.charge(bytes(32), noise=NOISE, codec=federation.codec)
    party = join(
        tmp_path / "ann", federation, people["ann"], privacy_ledger=tmp_path / "of-before.sqlite"
    )
    assert not (tmp_path / "ann" / "privacy.sqlite").exists()
    descriptor = announce(federation)
    with pytest.raises(vs.BudgetExhaustedError):
        party.contributor(passphrase=PASSPHRASE).contribute(
            parties.announcement(descriptor, "ann"), np.zeros(DIM), model_hash=MODEL_HASH
        )
    vs.privacy.Ledger.create(tmp_path / "gaussian.sqlite", epsilon=1.0, delta=1e-6)
    with pytest.raises(vs.LedgerError, match="other kind"):
        join(
            tmp_path / "again",
            federation,
            people["ann"],
            privacy_ledger=tmp_path / "gaussian.sqlite",
        )


@rule("PF2")
def test_another_federation_in_the_folder_is_refused(tmp_path, people):
    join(tmp_path / "ann", agree(people), people["ann"])
    other = agree(people, noise=NOISE).signed_by(people["bob"])
    (tmp_path / "ann" / "federation.veil").write_bytes(other)
    with pytest.raises(vs.PolicyRefusedError):
        PartyFolder(tmp_path / "ann")


@rule("PF7")
@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "[" * 5000, json.dumps({"veilsum": "party", "version": 1}), "\xff"],
)
def test_a_folder_that_is_none_is_refused(tmp_path, people, text):
    with pytest.raises(vs.MalformedDataError, match="no party's folder"):
        PartyFolder(tmp_path / "nowhere")
    join(tmp_path / "ann", agree(people), people["ann"])
    (tmp_path / "ann" / "party.json").write_text(text, encoding="latin-1")
    with pytest.raises(vs.MalformedDataError, match="does not describe"):
        PartyFolder(tmp_path / "ann")
