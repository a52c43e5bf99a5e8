"""Merkle trees over chunks: one hash stands for all of them, and each can be checked alone.

The tree, its paths and their check are those of RFC 9162, section 2.1 (Certificate Transparency),
over SHA-256: leaves and inner nodes are hashed apart, and no two lists have one root.
"""

import hashlib
from collections.abc import Sequence

__all__ = ["HASH_BYTES", "leaf_hash", "merkle_path", "merkle_root", "path_leads_to"]

HASH_BYTES = 32
_LEAF, _NODE = b"\x00", b"\x01"


def leaf_hash(data: bytes) -> bytes:
    """The hash of one chunk."""
    return hashlib.sha256(_LEAF + data).digest()


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes, of which there is at least one."""
    if len(leaves) == 1:
        return leaves[0]
    half = _split(len(leaves))
    return _node(merkle_root(leaves[:half]), merkle_root(leaves[half:]))


def merkle_path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """What makes the root with the leaf at ``index``: at most ``log2(len(leaves)) + 1`` hashes."""
    if len(leaves) == 1:
        return []
    half = _split(len(leaves))
    if index < half:
        return [*merkle_path(leaves[:half], index), merkle_root(leaves[half:])]
    return [*merkle_path(leaves[half:], index - half), merkle_root(leaves[:half])]


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


def _split(count: int) -> int:
    """The largest power of two below count."""
    return 1 << (count - 1).bit_length() - 1
