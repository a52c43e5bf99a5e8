"""Merkle trees: one hash stands for a list, and each of it can be checked alone.

The tree, its paths and their check are those of RFC 9162, section 2.1 (Certificate Transparency),
over SHA-256: leaves and inner nodes are hashed apart, and no two lists have one root.
"""

import hashlib
from collections.abc import Sequence

__all__ = ["HASH_BYTES", "MerkleTree", "leaf_hash", "merkle_root", "path_leads_to"]

HASH_BYTES = 32
_LEAF, _NODE = b"\x00", b"\x01"


def leaf_hash(data: bytes) -> bytes:
    """The hash of one leaf's data, such as a chunk."""
    return hashlib.sha256(_LEAF + data).digest()


class MerkleTree:
    """The tree over leaf hashes, of which there is at least one; each node is hashed once.

    It is kept by levels, the leaves first. A level has the hashes of pairs of the level below, and
    of an odd number the last one as it is: that is the tree of the RFC, which splits a list at the
    largest power of two below its length.
    """

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self._levels = [list(leaves)]
        while len(level := self._levels[-1]) > 1:
            above = [_node(*level[i : i + 2]) for i in range(0, len(level) - 1, 2)]
            self._levels.append(above + level[len(level) & ~1 :])

    @property
    def root(self) -> bytes:
        """What stands for all leaves."""
        return self._levels[-1][0]

    def path(self, index: int) -> list[bytes]:
        """What makes the root with this leaf: at most ``log2(len(leaves)) + 1`` hashes."""
        siblings = []
        for level in self._levels[:-1]:
            if index ^ 1 < len(level):
                siblings.append(level[index ^ 1])
            index >>= 1
        return siblings


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes, of which there is at least one."""
    return MerkleTree(leaves).root


def path_leads_to(
    root: bytes, leaf: bytes, index: int, num_leaves: int, path: Sequence[bytes]
) -> bool:
    """Whether ``leaf`` is the one at ``index`` of the ``num_leaves`` under ``root``."""
    if not 0 <= index < num_leaves:
        return False
    position, last, found = index, num_leaves - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if position % 2 == 1 or position == last:
            found = _node(sibling, found)
            while position % 2 == 0 and position != 0:
                position >>= 1
                last >>= 1
        else:
            found = _node(found, sibling)
        position >>= 1
        last >>= 1
    return last == 0 and found == root


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(_NODE + left + right).digest()
