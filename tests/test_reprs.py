"""What parties, records and agreements say of themselves: what they are, and nothing secret."""

import re

import protocol_parties as parties
import pytest
import veilsum as vs
from protocol_parties import NOISE, NOISY_CODEC, Round
from shared_keys import shared_key
from veilsum.identity import Role
from veilsum.secure_sum import FolderStore, MemoryStore, Outbox, PartyFolder, RoundLedger


@pytest.fixture(scope="module")
def agreed():
    return parties.federation("threshold", codec=NOISY_CODEC, noise=NOISE, chunk_size=8)


def shown(thing):
    """Its repr, which is no address, holds no long number and fits a line or two."""
    text = repr(thing)
    assert str(thing) == text
    assert " at 0x" not in text
    assert not re.search(r"[0-9a-f]{17}|\d{13}", text), text
    assert len(text) < 200
    return text


def test_a_federation_tells_its_sizes(agreed):
    name = agreed.hash[:8].hex()
    assert shown(agreed) == (
        f"<Federation {name}: trust threshold, 4 contributors, 5 holders, "
        "200 values, GaussianNoise>"
    )
    assert shown(parties.federation("contributors")).endswith(
        "trust contributors, 4 contributors, 0 holders, 200 values, no noise>"
    )


def test_parties_tell_their_name_and_federation(agreed):
    name = agreed.hash[:8].hex()
    ledger = vs.privacy.Ledger.in_memory(epsilon=1, delta=1e-6)
    contributor = parties.contributor(agreed, "ada", ledger=ledger)
    assert shown(contributor) == f"<Contributor: ada, federation {name}>"
    assert shown(parties.holder(agreed, "holder-2")) == (
        f"<KeyHolder: holder-2, federation {name}>"
    )


def test_an_aggregator_tells_how_far_it_is():
    state = Round(parties.federation("threshold", chunk_size=8), names=("ada", "bob"))
    chunks = state.federation.num_chunks
    assert shown(state.aggregator).endswith(
        f"open, 2 contributions, {chunks} of {chunks} chunks to be opened>"
    )
    state.finish()
    assert shown(state.aggregator).endswith(
        f"closed, 2 contributions, 0 of {chunks} chunks to be opened>"
    )
    assert "round 1 of federation" in shown(state.aggregator)


def test_records_tell_where_they_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert repr(RoundLedger.create("holder", role=Role.HOLDER)) == (
        f"<RoundLedger: {tmp_path / 'holder'}, of a key holder>"
    )
    assert shown(RoundLedger.in_memory()) == "<RoundLedger: in memory, of either role>"
    assert shown(vs.privacy.Ledger.in_memory(epsilon=1)) == "<Ledger: in memory>"
    assert repr(FolderStore("round")) == f"<FolderStore: {tmp_path / 'round'}>"
    assert shown(MemoryStore()) == "<MemoryStore: 0 messages>"
    assert repr(Outbox("outbox")) == f"<Outbox: {tmp_path / 'outbox'}>"


def test_no_repr_of_a_party_shows_its_secrets(agreed, tmp_path, cheap_key_files, monkeypatch):
    monkeypatch.chdir(tmp_path)
    identity, share = parties.identity("holder-1"), shared_key().shares[0]
    PartyFolder.create(
        "party",
        agreed.signed_by(parties.identity("dealer")),
        identity=identity,
        passphrase="a passphrase of the tests",
        expected_hash=agreed.hash,
        key=share,
    )
    party = PartyFolder("party")
    holder = party.key_holder(passphrase="a passphrase of the tests")
    secrets = (identity._key.private_bytes_raw(), share._native.to_secret_bytes())
    for thing in (party, holder, identity, share, agreed):
        for secret in secrets:
            assert secret.hex()[:16] not in repr(thing)
            assert str(int.from_bytes(secret, "little"))[:16] not in repr(thing)
