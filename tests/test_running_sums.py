"""Sums of contributions that come whole, or in two parts: what is opened, and the rest."""

import numpy as np
import protocol_parties as parties
import pytest
import toy_scheme
import veilsum as vs
from mask_attackers import LONG
from veilsum import schemes
from veilsum.paillier.ciphertext_sum import CiphertextSum

CONTEXT = b"a sum"
NAMES = parties.NAMES[:3]
with_a_rest = pytest.mark.parametrize("scheme", ["masked", "toy"])


@pytest.fixture(autouse=True)
def toys(monkeypatch):
    for name, known in toy_scheme.SCHEMES.items():
        monkeypatch.setitem(schemes.SCHEMES, name, known)


def bodies_of(scheme):
    trust = "threshold" if scheme == "packed" else "authority"
    toy = (5, 4) if scheme == "packed" else None
    codec = parties.CODEC if scheme == "packed" else LONG
    return parties.federation(trust, toy=toy, codec=codec, scheme=scheme, chunk_size=8).bodies


def contributions(bodies):
    """The chunks of each, read."""
    for name in NAMES:
        slots = np.full(bodies.codec.num_slots, 5, np.int64)
        sealed = bodies.protect(slots, context=CONTEXT, maker=name)
        yield [
            bodies.read(sealed.piece(i), chunk=i, context=CONTEXT, maker=name)
            for i in range(bodies.num_chunks)
        ]


def written(total):
    """What a sum is, in bytes that can be compared."""
    return [part.to_bytes() for part in (*total.opened(), *total.rest())]


def whole(bodies, vectors):
    total = bodies.running_sum()
    for parts in vectors:
        total.add(parts)
    return total


@with_a_rest
def test_opened_chunks_and_rest_apart_make_the_same_sum(scheme):
    bodies = bodies_of(scheme)
    vectors, opened = list(contributions(bodies)), bodies.num_opened
    wanted = whole(bodies, vectors)
    relayed = whole(bodies, vectors[1:])
    apart = bodies.running_sum()
    apart.add(vectors[0])
    for parts in vectors[1:]:
        apart.add_opened(parts[:opened])
    assert (apart.num_addends, apart.num_of_rest) == (3, 1)
    rest = [
        bodies.read_sum(part.to_bytes(), chunk=opened + i) for i, part in enumerate(relayed.rest())
    ]
    apart.add_rest(rest, num_addends=2)
    assert (apart.num_addends, apart.num_of_rest) == (3, 3)
    assert written(apart) == written(wanted)
    # Opened chunks of a sum can be added as well.
    other = whole(bodies, vectors[:1])
    other.add_opened(relayed.opened(), num_addends=2)
    other.add_rest(rest, num_addends=2)
    assert written(other) == written(wanted)


@with_a_rest
def test_a_sum_without_the_rest_of_some_is_no_total(scheme):
    bodies = bodies_of(scheme)
    vectors = list(contributions(bodies))
    total = whole(bodies, vectors[:1])
    assert total.total is not None
    total.add_opened(vectors[1][: bodies.num_opened])
    with pytest.raises(vs.InvalidArgumentError):
        total.total  # noqa: B018
    with pytest.raises(vs.InvalidArgumentError):
        bodies.running_sum().total  # noqa: B018


def test_no_more_bodies_are_added_than_keys():
    bodies = bodies_of("masked")
    vectors = list(contributions(bodies))
    total = whole(bodies, vectors[:1])
    before = written(total)
    with pytest.raises(vs.InvalidArgumentError, match=r"bodies of 2 .* keys of 1 were"):
        total.add_rest(vectors[1][bodies.num_opened :], num_addends=1)
    with pytest.raises(vs.CapacityError):
        total.add_opened(total.opened(), num_addends=4)  # There is room for three.
    assert written(total) == before
    assert (total.num_addends, total.num_of_rest) == (1, 1)


def test_a_packed_sum_has_no_rest():
    bodies = bodies_of("packed")
    vectors = list(contributions(bodies))
    total = whole(bodies, vectors)
    assert total.rest() == []
    assert total.num_of_rest == 3
    assert [len(part) for part in total.opened()] == [len(part) for part in vectors[0]]
    with pytest.raises(vs.InvalidArgumentError, match="no chunk that is only added"):
        total.add_rest([], num_addends=1)


def test_an_interrupted_addition_is_made_up_for(monkeypatch):
    """Ctrl-C between body and key, as the last thing before a key comes apart from its body."""
    bodies = bodies_of("masked")
    vectors = list(contributions(bodies))
    total = whole(bodies, vectors[:1])

    def interrupted(self, key, *, num_addends):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(CiphertextSum, "add", interrupted)
        with pytest.raises(KeyboardInterrupt):
            total.add(vectors[1])
    total.add_opened(vectors[2][: bodies.num_opened])
    total.add_rest(vectors[2][bodies.num_opened :], num_addends=1)
    assert written(total) == written(whole(bodies, vectors))


def test_a_few_blocks_are_added_as_a_whole_vector_is():
    bodies = bodies_of("masked")
    vectors = list(contributions(bodies))
    first, second, third = (parts[bodies.num_opened :] for parts in vectors)
    chunks = [a + b + c for a, b, c in zip(first, second, third, strict=True)]
    assert len(chunks) > 2
    assert chunks == whole(bodies, vectors).rest()


@pytest.mark.parametrize("whose", ["later blocks", "more blocks", "another shape"])
def test_other_blocks_are_not_added(whose):
    bodies = bodies_of("masked")
    blocks = next(contributions(bodies))[bodies.num_opened :]
    if whose == "later blocks":
        wrong = blocks[1]
    else:
        other = bodies if whose == "more blocks" else parties.federation(scheme="masked").bodies
        slots = np.zeros(other.codec.num_slots, np.int64)
        wrong = other.protect(slots, context=CONTEXT, maker="ada").blocks
    with pytest.raises(vs.InvalidArgumentError, match="other blocks"):
        blocks[0] + wrong
