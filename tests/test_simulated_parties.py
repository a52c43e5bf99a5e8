"""Throw-away parties: all of a federation in one folder, which says what it is."""

import stat

import numpy as np
import pytest
import veilsum as vs
from dealt_parties import done, quick, refused, veilsum
from shared_keys import shared_key
from veilsum.secure_sum import (
    Aggregator,
    Announcement,
    Federation,
    Identity,
    Invitations,
    PartyFolder,
    RoundDescriptor,
    hash_model,
    simulated_parties,
)
from veilsum.secure_sum.simulated_parties import SimulatedParties

DIM = 10


@pytest.fixture(autouse=True)
def stored_primes(monkeypatch):
    def stored(bits, *, safe_primes, num_threads):
        assert bits == 2048
        assert safe_primes
        return shared_key().secret

    monkeypatch.setattr(simulated_parties, "generate_key", stored)


@pytest.mark.parametrize("number", [2, 3, 7])
def test_a_round_of_throw_away_parties_is_a_round(number, tmp_path):
    parties = SimulatedParties.make(tmp_path / "all", number, dim=DIM)
    opener = vs.MachineKey.load(parties.key_file)
    signed = parties.federation_file.read_bytes()
    federation = Federation.from_signed(signed, dealer=Federation.dealer_named_in(signed))
    server = Identity.load(parties.identity_file, passphrase=opener)
    names = [SimulatedParties.name(i) for i in range(number)]
    model = [np.zeros(DIM)]
    invited = Invitations.of(names)
    descriptor = RoundDescriptor.signed(
        server,
        federation_hash=federation.hash,
        round_number=1,
        model_hash=hash_model(model),
        invited=invited,
    )
    aggregator = Aggregator(federation, server, descriptor, invited=invited)
    for i, name in enumerate(names):
        announced = Announcement.of(descriptor, invited, to=name).to_bytes()
        contributor = PartyFolder(parties.party(i)).contributor(passphrase=opener)
        change = np.full(DIM, (i + 1) / 16)
        aggregator.receive(contributor.contribute(announced, change, model_hash=hash_model(model)))
    while requests := aggregator.open_requests():
        for name, request in requests.items():
            holder = PartyFolder(parties.path / name).key_holder(passphrase=opener)
            aggregator.receive_opening(holder.open(b"".join(request)))
    expected = sum(range(1, number + 1)) / 16 / number
    assert np.allclose(aggregator.finish().sum.mean(), expected, atol=1e-4)
    assert len(federation.holders) == min(number, 5)


def test_the_folder_says_what_it_is_and_is_its_owners(tmp_path):
    parties = SimulatedParties.make(tmp_path / "all", 2, dim=DIM)
    assert "SIMULATION" in " ".join(path.name for path in parties.path.iterdir())
    assert stat.S_IMODE(parties.path.stat().st_mode) == 0o700
    assert parties.num_parties == 2
    with pytest.raises(vs.InvalidArgumentError, match="2 simulated parties"):
        parties.party(2)
    with pytest.raises(FileExistsError):
        SimulatedParties.make(tmp_path / "all", 2, dim=DIM)


def test_another_folder_is_none(tmp_path):
    with pytest.raises(vs.MalformedDataError, match="no simulated parties"):
        SimulatedParties(tmp_path)
    (tmp_path / "SIMULATION-ONLY.txt").write_text("some text\n")
    with pytest.raises(vs.MalformedDataError, match="no simulated parties"):
        SimulatedParties(tmp_path)


@pytest.mark.parametrize(
    ("number", "options"),
    [
        (1, {}),
        (1001, {}),
        (2, {"dim": 0}),
        (2, {"clip": 0.0}),
        (2, {"value_bits": 1}),
        (2, {"weight_spread": 0.5}),
    ],
)
def test_numbers_out_of_range_leave_nothing(number, options, tmp_path):
    with pytest.raises(vs.InvalidArgumentError):
        SimulatedParties.make(tmp_path / "all", number, **{"dim": DIM, **options})
    assert not (tmp_path / "all").exists()


def test_the_command_makes_them(tmp_path, monkeypatch):
    quick(monkeypatch, tmp_path)
    out = tmp_path / "all"
    found = done("simulate-parties", 3, "--dim", DIM, "--out", out, "--weight-spread", 4)
    assert [SimulatedParties(out).party(i).as_posix() for i in range(3)] == found["parties"]
    assert PartyFolder(found["parties"][0]).federation.codec.weight_bits > 0
    assert "all" in refused("simulate-parties", 3, "--dim", DIM, "--out", out)
    said = veilsum("simulate-parties", 2, "--dim", DIM, "--out", tmp_path / "two").stdout
    assert said.startswith("SIMULATION ONLY")
    assert "1000" in refused("simulate-parties", 1001, "--dim", DIM, "--out", tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_parties_have_the_names_that_they_are_given(tmp_path):
    parties = SimulatedParties.make(tmp_path / "all", 2, dim=DIM, names=["north", "south"])
    federation = PartyFolder(parties.path / "north").federation
    assert [party.name for party in federation.contributors] == ["north", "south"]
    for names in (["north"], ["north", "north"], ["north", "../south"], ["north", ""]):
        with pytest.raises(vs.InvalidArgumentError):
            SimulatedParties.make(tmp_path / "none", 2, dim=DIM, names=names)
    assert not (tmp_path / "none").exists()
    assert not (tmp_path.parent / "south").exists()
