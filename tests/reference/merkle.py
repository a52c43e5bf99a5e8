"""Merkle trees as RFC 9162, section 2.1, defines them, word for word over the data itself.

MTH(D[n]) and PATH(m, D[n]) of sections 2.1.1 and 2.1.3.1; k is the largest power of two below n.
"""

import hashlib


def root(data):
    if len(data) == 1:
        return hashlib.sha256(b"\x00" + data[0]).digest()
    k = split(len(data))
    return hashlib.sha256(b"\x01" + root(data[:k]) + root(data[k:])).digest()


def path(m, data):
    if len(data) == 1:
        return []
    k = split(len(data))
    if m < k:
        return [*path(m, data[:k]), root(data[k:])]
    return [*path(m - k, data[k:]), root(data[:k])]


def split(n):
    k = 1
    while 2 * k < n:
        k *= 2
    return k
