"""All holders of a key ceremony in one process: for tests, and to see what a ceremony takes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from veilsum.ceremony.holder import ROOT_BYTES
from veilsum.ceremony.key_ceremony import KeyCeremony
from veilsum.ceremony.outcome import Outcome
from veilsum.identity import Identity

__all__ = ["generate_together", "play"]


def play(
    ceremonies: Sequence[KeyCeremony], progress: Callable[[int, str], object] | None = None
) -> None:
    """Hand every message to every other holder until all have the key.

    Args:
        ceremonies: of all holders.
        progress: called as ``progress(step, name)`` before each step.
    """
    while not all(ceremony.is_done for ceremony in ceremonies):
        if progress is not None:
            progress(ceremonies[0].step, ceremonies[0].step_name)
        messages = [ceremony.message for ceremony in ceremonies]
        for k, ceremony in enumerate(ceremonies):
            for message in messages[:k] + messages[k + 1 :]:
                ceremony.receive(message)


def generate_together(
    *,
    num_holders: int,
    threshold: int,
    max_colluding_holders: int,
    key_bits: int = 3072,
    progress: Callable[[int, str], object] | None = None,
) -> list[Outcome]:
    """Play a whole ceremony in this process, which so knows all shares: for tests.

    Args:
        num_holders: how many shares there are, 3 to 64.
        threshold: how many of them open a sum, as :func:`veilsum.threshold.deal_shares` has it.
        max_colluding_holders: how many may break their promises; fewer than half.
        key_bits: of the modulus, even.
        progress: called as ``progress(step, name)`` before each step.

    Raises:
        InvalidArgumentError: the numbers do not fit together.
    """
    identities = [Identity.generate(f"holder {i}") for i in range(1, num_holders + 1)]
    ceremonies = [
        KeyCeremony(
            identity,
            [each.enrol() for each in identities],
            threshold=threshold,
            max_colluding_holders=max_colluding_holders,
            key_bits=key_bits,
            attempt=1,
            root=os.urandom(ROOT_BYTES),
        )
        for identity in identities
    ]
    play(ceremonies, progress)
    return [ceremony.outcome for ceremony in ceremonies]
