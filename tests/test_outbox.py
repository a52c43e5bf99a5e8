"""A contribution that may be lost on its way is handed out again, as it was, and charged once."""

import dataclasses

import numpy as np
import protocol_parties as parties
import pytest
import veilsum as vs
from validation_rules import rule
from veilsum.privacy import Ledger
from veilsum.secure_sum import Outbox, RoundLedger
from veilsum.secure_sum.contribution import ContributionHeader

NOISY = parties.federation(codec=parties.NOISY_CODEC, noise=parties.NOISE)
ANNOUNCED = parties.descriptor(NOISY)


class DiedError(BaseException):
    """Stands for SIGKILL where a test has one process only."""


class Disk:
    """What one contributor has on its disk; each contribution is by a process of its own."""

    def __init__(self, folder):
        self.file = folder / "contribution.veil"
        self.ledger = Ledger.in_memory(epsilon=4.0, delta=1e-6)
        self.rounds = RoundLedger.in_memory()

    def contribute(self, announced=ANNOUNCED, delta=0.5):
        files = {"ledger": self.ledger, "rounds": self.rounds, "outbox": Outbox(self.file)}
        return parties.contribute(NOISY, announced, "ada", delta, **files)


@pytest.fixture
def disk(tmp_path):
    return Disk(tmp_path)


def header_of(message):
    return ContributionHeader.from_bytes(parties.frames_of(message)[0])


@rule("CP8")
def test_a_contribution_is_handed_out_again_as_it_was(disk):
    first = disk.contribute()
    assert disk.contribute() == first
    assert disk.contribute(delta=-1.0) == first
    assert disk.ledger.spent.num_contributions == 1
    second_round = parties.descriptor(NOISY, round_number=2)
    second = disk.contribute(second_round)
    assert disk.contribute(second_round) == second != first
    with pytest.raises(vs.PolicyRefusedError, match="round 2"):
        disk.contribute()
    assert disk.contribute(second_round) == second
    assert disk.ledger.spent.num_contributions == 2
    assert [path.name for path in disk.file.parent.iterdir()] == ["contribution.veil"]


def test_another_announcement_of_the_round_gets_nothing(disk):
    first = disk.contribute()
    with pytest.raises(vs.PolicyRefusedError, match="already contributed"):
        disk.contribute(dataclasses.replace(ANNOUNCED, invited=("ada", "bob")))
    assert disk.contribute() == first
    assert disk.ledger.spent.num_contributions == 1


@pytest.mark.parametrize("door", [(Ledger, "charge"), (RoundLedger, "record")])
@pytest.mark.parametrize("is_done", [False, True])
def test_who_dies_around_its_records_hands_out_what_it_made(disk, monkeypatch, door, is_done):
    owner, name = door
    go_on = getattr(owner, name)

    def die(*args, **options):
        if is_done:
            go_on(*args, **options)
        raise DiedError

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, die)
        with pytest.raises(DiedError):
            disk.contribute()
    made = disk.file.read_bytes()
    assert disk.contribute() == made
    assert disk.ledger.spent.num_contributions == 1
    assert list(disk.rounds.answered(NOISY.public_key.fingerprint).values()) == [
        header_of(made).commitment
    ]


def test_who_dies_before_it_is_kept_starts_again(disk, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(vs.durable.os, "replace", lambda *_: (_ for _ in ()).throw(DiedError))
        with pytest.raises(DiedError):
            disk.contribute()
    assert disk.ledger.spent.num_contributions == 0
    (disk.file.parent / f"{disk.file.name}.1.part").write_bytes(b"of a process that was killed")
    assert disk.contribute() == disk.file.read_bytes()
    assert list(disk.file.parent.iterdir()) == [disk.file]


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "flipped", "longer", "others"])
def test_what_is_damaged_is_not_handed_out(disk, damage, tmp_path_factory):
    first = disk.contribute()
    flipped = bytearray(first)
    flipped[-9] ^= 1
    others = Disk(tmp_path_factory.mktemp("other")).contribute()
    bad = {
        "empty": b"",
        "cut": b"".join(parties.frames_of(first)[:-1]),
        "flipped": bytes(flipped),
        "longer": first + parties.frames_of(first)[-1],
        "others": others,
    }
    disk.file.unlink()
    if damage != "missing":
        disk.file.write_bytes(bad[damage])
    with pytest.raises(vs.PolicyRefusedError, match="already contributed"):
        disk.contribute()
    # Nor is it where only the privacy ledger remembers.
    disk.rounds = RoundLedger.in_memory()
    if damage != "others":
        with pytest.raises(vs.PolicyRefusedError, match="has a contribution"):
            disk.contribute()
    assert disk.ledger.spent.num_contributions == 1


def test_a_budget_that_is_spent_sends_nothing_that_was_kept(disk):
    disk.ledger = Ledger.in_memory(epsilon=0.1, delta=1e-6)
    for _ in range(2):
        with pytest.raises(vs.BudgetExhaustedError):
            disk.contribute()
    assert disk.rounds.answered(NOISY.public_key.fingerprint) == {}
    assert np.isclose(disk.ledger.spent.epsilon, 0.0)
