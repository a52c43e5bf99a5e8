"""What a holder keeps from its lock to its answer, and what each of the two steps takes."""

import contextlib
from unittest import mock

import protocol_parties as parties
import pytest
import veilsum as vs
from protocol_parties import NAMES, Round, frames_of
from test_locks import SMALL, agreed, holders_of, request_to_open
from veilsum import durable
from veilsum.identity import Role
from veilsum.secure_sum import ContributionHeader, KeptSums, Lock, OpenRequest, RoundLedger

assert agreed  # A fixture.


def test_what_was_checked_is_sent_once(agreed):
    state = Round(agreed, keep=True)
    to_lock = state.asked()
    for name, request in to_lock.items():
        answer = state.holder(name).open(request)
        assert len(answer) < 300
        state.aggregator.receive_opening(answer)
    to_open = state.asked()
    assert to_open.keys() == to_lock.keys()
    for name, request in to_open.items():
        assert len(frames_of(request)) == 1
        asked = OpenRequest.from_bytes(frames_of(request)[0])
        assert asked.chunks == OpenRequest.from_bytes(frames_of(to_lock[name])[0]).chunks
        assert len(asked.locks) == 4
        state.aggregator.receive_opening(state.holder(name).open(request))
    parties.assert_sums(state.aggregator.finish(), parties.quantised_sum(SMALL, [0.5] * 3))


def test_signatures_of_a_set_that_was_locked_are_not_checked_again(agreed):
    state = Round(agreed, keep=True)
    checked, verify = [], ContributionHeader.verify

    def watched(self, contributor):
        checked.append(self.contributor)
        verify(self, contributor)

    with mock.patch.object(ContributionHeader, "verify", watched):
        for step in range(2):
            for name, request in state.asked().items():
                checked.clear()
                answer = state.holder(name).open(request)
                assert checked == [sorted(state.messages), []][step]
                state.aggregator.receive_opening(answer)
        # Another set, or the same names with other contributions, is another one to it.
        other = request_to_open(state, NAMES[1:3])
        checked.clear()
        with pytest.raises(vs.PolicyRefusedError):
            state.holder(holders_of(agreed)[0]).open(other)
        assert checked == sorted(NAMES[1:3])
    parties.assert_sums(state.aggregator.finish(), parties.quantised_sum(SMALL, [0.5] * 3))


@pytest.mark.parametrize("lost", ["all", "one", "damaged", "other", "flipped"])
def test_sums_that_were_lost_are_made_again(agreed, lost, tmp_path):
    state = Round(agreed, keep=True)
    name = holders_of(agreed)[0]
    state.sums[name] = KeptSums(tmp_path)
    for holder, request in state.asked().items():
        state.aggregator.receive_opening(state.holder(holder).open(request))
    first, *others = sorted(tmp_path.glob("*.veil"))
    assert first.stat().st_mode & 0o077 == 0
    if lost == "damaged":
        first.write_bytes(first.read_bytes()[:-1])
    elif lost == "other":
        first.write_bytes(others[0].read_bytes())
    elif lost == "flipped":
        kept = first.read_bytes()
        first.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    else:
        for path in [first, *others] if lost == "all" else [first]:
            path.unlink()
    request = state.asked()[name]
    answer = state.holder(name).open(request)
    lock = Lock.from_bytes(answer)
    assert lock.holder == name
    state.aggregator.receive_opening(answer)
    again = state.asked()[name]
    assert len(frames_of(again)) > len(frames_of(request))
    parties.assert_sums(state.finish(), parties.quantised_sum(SMALL, [0.5] * 3))


def test_a_step_reads_its_ledger_once_and_writes_it_once(agreed, tmp_path):
    """Each time costs a new connection, and a look at the whole file."""
    state = Round(agreed, keep=True)
    name = holders_of(agreed)[0]
    state.ledgers[name] = RoundLedger.create(tmp_path / "rounds", role=Role.HOLDER)
    transaction, written = durable.DurableFile.transaction, []

    @contextlib.contextmanager
    def watched(file):
        with transaction(file) as connection:
            yield connection
            written.append(connection.total_changes > 0)

    with mock.patch.object(durable.DurableFile, "transaction", watched):
        for _ in range(2):
            for holder, request in state.asked().items():
                party = state.holder(holder)
                written.clear()
                answer = party.open(request)
                if holder == name:
                    # Before later chunks it only looks that no later round was locked meanwhile.
                    num_chunks = len(OpenRequest.from_bytes(frames_of(request)[0]).chunks)
                    later = (num_chunks - 1) if len(frames_of(answer)) > 1 else 0
                    assert written == [False, True] + [False] * later
                state.aggregator.receive_opening(answer)
    parties.assert_sums(state.aggregator.finish(), parties.quantised_sum(SMALL, [0.5] * 3))


def test_a_kept_sum_is_found_as_it_was_kept_or_not_at_all(tmp_path):
    """Nothing waits for the disk, so a power cut leaves anything in the file."""
    sums, name = KeptSums(tmp_path), b"s" * 32
    sums.keep(name, 3, b"the sum")
    (path,) = tmp_path.glob("*.veil")
    whole = path.read_bytes()
    assert sums.find(name, 3, bytes) == b"the sum"
    for data in (
        *(whole[:length] for length in range(len(whole))),
        *(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in range(len(whole))),
        bytes(len(whole)),
        whole + b"0",
    ):
        path.write_bytes(data)
        assert sums.find(name, 3, bytes) is None
    sums.keep(name, 3, b"the sum")
    assert sums.find(name, 3, bytes) == b"the sum"


def test_one_set_is_kept_at_a_time(agreed, tmp_path):
    sums = KeptSums(tmp_path / "sums")
    one, two = bytes(32), b"x" * 32
    assert sums.find(one, 0, bytes) is None
    sums.keep(one, 0, b"a")
    sums.keep(one, 7, b"b")
    assert (sums.find(one, 0, bytes), sums.find(one, 7, bytes)) == (b"a", b"b")
    (tmp_path / "sums" / "somebody's").touch()
    sums.keep(two, 0, b"c")
    assert sums.find(one, 0, bytes) is sums.find(one, 7, bytes) is None
    assert sums.find(two, 0, bytes) == b"c"
    names = {path.name for path in (tmp_path / "sums").iterdir()}
    assert names == {"lock", "somebody's", f"{two.hex()}-0.veil"}
