"""What fuzzing kept, read again, and a little more fuzzing: no Clang, no atheris, a few seconds.

``./run fuzz`` is the long run. A failure shows VEILSUM_TEST_SEED, which repeats it.
"""

import dataclasses
import random
import tracemalloc
from pathlib import Path

import pytest
import veilsum as vs
from fuzz import mutate, readers, rounds

CORPUS = Path(__file__).parent / "fuzz" / "corpus"
NUM_MUTATIONS = 150
MAX_CORPUS_BYTES = 1 << 20
every_reader = pytest.mark.parametrize("name", readers.TARGETS)


def kept(name):
    """The core's corpus has messages for every reader of the core."""
    return [path.read_bytes() for path in sorted((CORPUS / name).glob("*"))]


@pytest.fixture
def traced():
    """Memory counts in what ``check`` checks."""
    tracemalloc.start()
    yield
    tracemalloc.stop()


@every_reader
def test_seeds_are_taken(name):
    target = readers.TARGETS[name]
    seeds = target.all_seeds()
    assert seeds
    assert all(readers.check(target, data) for data in seeds)


@every_reader
def test_the_corpus_is_read_or_refused_as_promised(name, traced):
    target = readers.TARGETS[name]
    target.read(target.all_seeds()[0])  # Fills caches.
    for data in kept(name):
        readers.check(target, data)


@every_reader
def test_mutations_are_read_or_refused_as_promised(name, rng, traced):
    target = readers.TARGETS[name]
    seeds = target.all_seeds()
    target.read(seeds[0])
    for _ in range(NUM_MUTATIONS):
        readers.check(target, mutate.mutated(rng, rng.choice(seeds), seeds))


@pytest.mark.parametrize("trust", ["threshold", "authority", "contributors"])
def test_a_round_under_changed_messages_ends_with_the_exact_sum(trust, rng):
    fire = rounds.Fire(trust, rng)
    fire.round(num_mutations=12)
    assert fire.num_refused > 20


def test_the_corpus_is_small_and_of_known_targets():
    folders = {path.name for path in CORPUS.iterdir()}
    assert folders <= {"core", *readers.TARGETS}
    assert sum(path.stat().st_size for path in CORPUS.rglob("*")) < MAX_CORPUS_BYTES


# ---- the checks themselves: each finds a planted mistake ----


def planted(read, name="enrolment"):
    """The reader of ``name`` with a mistake."""
    return dataclasses.replace(readers.TARGETS[name], read=read)


def fuzz(target, count=2000):
    rng, seeds = random.Random(1), target.all_seeds()
    for _ in range(count):
        readers.check(target, mutate.mutated(rng, rng.choice(seeds), seeds))


def test_an_error_that_is_not_documented_is_found():
    def read(data):
        vs.secure_sum.Enrolment.from_bytes(data)
        data[17:].decode("ascii")

    with pytest.raises(UnicodeDecodeError):
        fuzz(planted(read))


def test_bytes_that_are_not_written_again_are_found():
    def read(data):
        size = 17 + data[16] + 32 if len(data) > 16 else 0
        return vs.secure_sum.Enrolment.from_bytes(mutate.with_length(data[:size])).to_bytes()

    with pytest.raises(AssertionError, match="does not write"):
        fuzz(planted(read))


def test_memory_that_was_only_announced_is_found(traced):
    def read(data):
        announced = int.from_bytes(data[8:12], "little")
        bytearray(min(announced, 1 << 24))
        return vs.secure_sum.Enrolment.from_bytes(data).to_bytes()

    with pytest.raises(AssertionError, match="bytes"):
        fuzz(planted(read))


def test_memory_that_the_interpreter_took_once_is_not_the_readers(traced):
    tables = []

    def read(data):
        if not tables:
            tables.append(bytearray(1 << 24))
        return data

    assert readers.check(planted(read), b"anything")
    assert tables


def test_a_party_that_changes_by_a_refused_message_is_found(monkeypatch):
    take = vs.secure_sum.Aggregator._admit

    def forgetful(self, header, num_others):
        self._headers[header.contributor] = header
        take(self, header, num_others)

    monkeypatch.setattr(vs.secure_sum.Aggregator, "_admit", forgetful)
    with pytest.raises((AssertionError, vs.ProtocolError)):
        rounds.Fire("authority", random.Random(1)).round(num_mutations=12)
