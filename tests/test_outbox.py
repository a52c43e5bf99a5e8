"""A contribution that may be lost on its way is handed out again, as it was, and charged once."""

import numpy as np
import protocol_parties as parties
import pytest
import veilsum as vs
from validation_rules import rule
from veilsum.privacy import Ledger
from veilsum.secure_sum import Outbox, RoundLedger, RunName
from veilsum.secure_sum.contribution import ContributionHeader

NOISY = parties.federation(codec=parties.NOISY_CODEC, noise=parties.NOISE)
ANNOUNCED = parties.descriptor(NOISY)


class DiedError(BaseException):
    """Stands for SIGKILL where a test has one process only."""


class Disk:
    """What one contributor has on its disk; each contribution is by a process of its own."""

    def __init__(self, folder):
        self.outbox = folder / "outbox"
        self.ledger = Ledger.in_memory(epsilon=4.0, delta=1e-6)
        self.rounds = RoundLedger.in_memory()

    def contributor(self):
        files = {"ledger": self.ledger, "rounds": self.rounds, "outbox": Outbox(self.outbox)}
        return parties.contributor(NOISY, "ada", **files)

    def contribute(self, announced=ANNOUNCED, delta=0.5):
        return b"".join(self.frames(announced, delta))

    def frames(self, announced=ANNOUNCED, delta=0.5):
        return self.contributor().contribute_in_frames(
            parties.announcement(announced, "ada"),
            np.full(parties.DIM, delta),
            model_hash=announced.model_hash,
        )

    def kept(self):
        """The contributions in the outbox."""
        return [path.read_bytes() for path in self.outbox.glob("*.veil")]


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
    assert disk.kept() == [second]


def test_another_announcement_of_the_round_gets_nothing(disk):
    first = disk.contribute()
    with pytest.raises(vs.PolicyRefusedError, match="already contributed"):
        disk.contribute(parties.announced_anew(ANNOUNCED, invited=("ada", "bob")))
    assert disk.contribute() == first
    assert disk.ledger.spent.num_contributions == 1


@pytest.mark.parametrize("door", [(Ledger, "charge"), (RoundLedger, "record")])
@pytest.mark.parametrize("is_done", [False, True])
def test_who_dies_around_its_records_sends_one_contribution(disk, monkeypatch, door, is_done):
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
    (made,) = disk.kept()
    is_charged = disk.ledger.spent.num_contributions == 1
    assert is_charged == ((owner, is_done) != (Ledger, False))
    again = disk.contribute()
    # What was charged is what is sent; what was not may be made anew.
    assert (again == made) == is_charged
    assert disk.kept() == [again]
    assert disk.ledger.spent.num_contributions == 1
    assert list(disk.rounds.answered(RunName.of(NOISY)).values()) == [header_of(again).commitment]


def test_who_dies_before_it_is_kept_starts_again(disk, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(vs.durable.os, "replace", lambda *_: (_ for _ in ()).throw(DiedError))
        with pytest.raises(DiedError):
            disk.contribute()
    assert disk.ledger.spent.num_contributions == 0
    (disk.outbox / f".{bytes(32).hex()}.veil.ab_12xyz.part").write_bytes(
        b"of a process that was killed"
    )
    (disk.outbox / f"{bytes(32).hex()}.veil").write_bytes(b"of a round that nobody recorded")
    assert disk.kept() != [disk.contribute()]
    assert sorted(path.suffix for path in disk.outbox.iterdir()) == ["", ".veil"]


def test_files_of_others_stay_in_an_outbox(disk):
    disk.outbox.mkdir()
    others = ["movie.mkv.part", ".movie.mkv.part", "letter.veil", f"{'a' * 62}.veil", "ab.veil"]
    for name in others:
        (disk.outbox / name).touch()
    disk.contribute()
    assert len(disk.kept()) == 1 + sum(name.endswith(".veil") for name in others)
    assert {path.name for path in disk.outbox.iterdir()} > set(others)


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
    (file,) = disk.outbox.glob("*.veil")
    file.unlink()
    if damage != "missing":
        file.write_bytes(bad[damage])
    with pytest.raises(vs.PolicyRefusedError, match="already contributed"):
        disk.contribute()
    # Nor is it where only the privacy ledger remembers.
    disk.rounds = RoundLedger.in_memory()
    with pytest.raises(vs.PolicyRefusedError, match="has a contribution"):
        disk.contribute()
    assert disk.ledger.spent.num_contributions == 1


def test_a_budget_that_is_spent_sends_nothing_that_was_kept(disk):
    disk.ledger = Ledger.in_memory(epsilon=0.1, delta=1e-6)
    for _ in range(2):
        with pytest.raises(vs.BudgetExhaustedError):
            disk.contribute()
    assert disk.rounds.answered(RunName.of(NOISY)) == {}
    assert np.isclose(disk.ledger.spent.epsilon, 0.0)
    assert disk.kept() == []


def test_a_refused_round_does_not_leave_in_the_place_of_one_that_is_resent(disk):
    """The frames of a kept contribution are not read from wherever a later one was written."""
    disk.ledger = Ledger.in_memory(epsilon=3.0, delta=1e-6)
    first = disk.contribute()
    resent = disk.frames()  # Nothing of it is read yet.
    second_round = parties.descriptor(NOISY, round_number=2)
    with pytest.raises(vs.BudgetExhaustedError):
        disk.contribute(second_round)
    assert b"".join(resent) == first
    assert not disk.ledger.has(second_round.round_id)


def test_frames_that_are_resent_outlive_the_next_round(disk):
    first = disk.contribute()
    resent = disk.frames()
    disk.contribute(parties.descriptor(NOISY, round_number=2))
    assert b"".join(resent) == first


@rule("LG7")
def test_two_contributors_on_one_ledger_send_one_contribution_a_round(tmp_path):
    """Their data are the same: in one sum they would count twice for the price of one."""
    ada, bob = Disk(tmp_path / "ada"), Disk(tmp_path / "bob")
    bob.ledger = ada.ledger
    ada.contribute()

    def contribute_as_bob():
        files = {"ledger": bob.ledger, "rounds": bob.rounds, "outbox": Outbox(bob.outbox)}
        return parties.contribute(NOISY, ANNOUNCED, "bob", **files)

    for _ in range(2):  # Asked again it is refused again: nothing was charged for it.
        with pytest.raises(vs.PolicyRefusedError, match="has a contribution"):
            contribute_as_bob()
    assert ada.ledger.spent.num_contributions == 1
    assert bob.kept() == []


@rule("CP9")
def test_one_contributor_at_a_time_makes_a_contribution(disk):
    first = disk.contribute()
    with Outbox(disk.outbox).locked():
        with pytest.raises(vs.StoreInUseError, match="in use"):
            disk.contribute()
    assert disk.contribute() == first


def test_before_training_says_what_would_be_refused_and_charges_nothing(disk):
    def before(announced):
        return disk.contributor().before_training(
            parties.announcement(announced, "ada"), model_hash=announced.model_hash
        )

    second_round = parties.descriptor(NOISY, round_number=2)
    assert before(ANNOUNCED) is None
    assert disk.ledger.spent.num_contributions == 0
    assert disk.rounds.answered(RunName.of(NOISY)) == {}
    first = disk.contribute()
    assert b"".join(before(ANNOUNCED)) == first
    disk.contribute(second_round)
    with pytest.raises(vs.PolicyRefusedError, match="round 2"):
        before(ANNOUNCED)
    with pytest.raises(vs.BudgetExhaustedError):
        before(parties.descriptor(NOISY, round_number=3))
    uninvited = parties.descriptor(NOISY, round_number=3, invited=("bob",))
    with pytest.raises(vs.PolicyRefusedError, match="not invited"):
        before(uninvited)
    assert disk.ledger.spent.num_contributions == 2
