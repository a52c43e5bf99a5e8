"""Merkle trees of RFC 9162 beside their definition; every wrong leaf, index and path refused."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import merkle as reference
from validation_rules import rule
from veilsum.errors import InvalidArgumentError, MalformedDataError
from veilsum.secure_sum.merkle import MerkleTree, leaf_hash, merkle_root, path_leads_to
from veilsum.secure_sum.opening import ChunkRequest
from veilsum.wire import WireKind, Writer

SIZES = range(1, 41)


def chunks(size):
    return [bytes([i]) * (1 + i % 5) for i in range(size)]


def tree(size):
    """(data, leaves, root) of so many chunks."""
    data = chunks(size)
    leaves = [leaf_hash(chunk) for chunk in data]
    return data, leaves, merkle_root(leaves)


def test_known_roots():
    # The tree heads of the usual test data of certificate transparency logs.
    entries = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ]
    leaves = [leaf_hash(bytes.fromhex(entry)) for entry in entries]
    roots = {
        1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    }
    for size, root in roots.items():
        assert merkle_root(leaves[:size]).hex() == root


@pytest.mark.parametrize("size", SIZES)
def test_roots_and_paths_are_those_of_the_definition(size):
    data, leaves, root = tree(size)
    assert root == reference.root(data)
    found = MerkleTree(leaves)
    assert found.root == root
    for index in range(size):
        path = found.path(index)
        assert path == reference.path(index, data)
        assert len(path) <= size.bit_length()
        assert path_leads_to(root, leaves[index], index, size, path)


@rule("MK2")
@pytest.mark.parametrize("size", SIZES)
def test_no_other_leaf_index_or_path_leads_to_the_root(size):
    data, leaves, root = tree(size)
    stranger = leaf_hash(b"stranger")
    for index, leaf in enumerate(leaves):
        path = MerkleTree(leaves).path(index)
        for other in range(-1, size + 2):
            if other != index:
                assert not path_leads_to(root, leaf, other, size, path)
            if other != index and 0 <= other < size:
                assert not path_leads_to(root, leaves[other], index, size, path)
        assert not path_leads_to(root, stranger, index, size, path)
        assert not path_leads_to(stranger, leaf, index, size, path)
        # The data in the place of its hash, and an inner node in the place of a leaf.
        assert not path_leads_to(root, data[index], index, size, path)
        assert not path_leads_to(root, leaf, index, size, [*path, stranger])
        assert not path_leads_to(root, leaf, index, size, [stranger, *path])
        if path:
            assert not path_leads_to(root, leaf, index, size, path[:-1])
            assert not path_leads_to(root, leaf, index, size, path[1:])
            for i in range(len(path)):
                wrong = [*path[:i], stranger, *path[i + 1 :]]
                assert not path_leads_to(root, leaf, index, size, wrong)
            if len(set(path)) > 1:
                assert not path_leads_to(root, leaf, index, size, path[1:] + path[:1])


@pytest.mark.parametrize("size", SIZES)
def test_an_inner_node_is_no_leaf_of_a_smaller_tree(size):
    """Leaves and nodes are hashed apart, or a tree of two could pass as a tree of one."""
    _, leaves, root = tree(size)
    if size > 1:
        left = 1 << (size - 1).bit_length() - 1
        sides = [merkle_root(leaves[:left]), merkle_root(leaves[left:])]
        assert leaf_hash(sides[0] + sides[1]) != root
        assert hashlib.sha256(b"\x01" + sides[0] + sides[1]).digest() == root


@given(st.lists(st.binary(max_size=8), min_size=1, max_size=12), st.data())
def test_two_lists_have_two_roots(data, draw):
    other = draw.draw(st.lists(st.binary(max_size=8), min_size=1, max_size=12))
    equal = merkle_root(list(map(leaf_hash, data))) == merkle_root(list(map(leaf_hash, other)))
    assert equal == (data == other)


@rule("MK1")
def test_a_path_in_a_message_is_short():
    longest = ChunkRequest(contribution=0, path=(bytes(32),) * 32, chunk=b"chunk")
    assert ChunkRequest.from_bytes(longest.to_bytes()) == longest
    for count in (33, 255):
        with pytest.raises(InvalidArgumentError, match="at most 32"):
            ChunkRequest(contribution=0, path=(bytes(32),) * count, chunk=b"chunk")
        writer = Writer(WireKind.CHUNK_REQUEST, 1)
        writer.u32(0)
        writer.u8(count)
        writer.bytes(bytes(32) * count + b"chunk")
        with pytest.raises(MalformedDataError, match="at most 32"):
            ChunkRequest.from_bytes(writer.finish())
