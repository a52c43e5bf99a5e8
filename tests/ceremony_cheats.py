"""Holders that cheat while a key is made.

The cheat is holder 1. It speaks last in every step: it sees what all others say, then signs what it
likes. Where l = 2f + 1 it so chooses what a sharing of degree 2f opens as.
"""

from dataclasses import replace

from veilsum.ceremony import sharing

CHEAT = 1


def say_instead(ceremony, body):
    """Sign another body for this step."""
    changed = replace(ceremony._message, body=body).signed(ceremony._identity)
    ceremony._message = ceremony._received[ceremony.holder] = changed


def play_against(parties, cheat):
    """Play with ``cheat(step name, own body, bodies of all others)``, which may say another body.

    The cheat's own object does what an honest one does with what it said.
    """
    cheater = parties[CHEAT - 1]
    while not all(party.is_done for party in parties):
        others = {p.holder: p._message.body for p in parties if p is not cheater}
        body = cheat(cheater.step_name, cheater._message.body, others)
        if body is not None:
            say_instead(cheater, body)
        said = [party.message for party in parties]
        for party in parties:
            for message in said:
                if message != party.message:
                    party.receive(message)


def forced(others, value, prime):
    """The share of the cheat with which all shares, of degree 2f = l - 1, open as ``value``."""
    holders = [CHEAT, *others]
    weight = {i: sharing.lagrange_factor(i, holders, 0, prime) for i in holders}
    rest = sum(weight[i] * share for i, share in others.items())
    return (value - rest) * pow(weight[CHEAT], -1, prime) % prime


def opened(shares, prime):
    return sharing.interpolated({i: [x] for i, x in shares.items()}, 0, prime)[0]
