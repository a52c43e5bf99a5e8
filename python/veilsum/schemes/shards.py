"""How the holders of a shared key share the work of an opening."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from veilsum.errors import NotEnoughSharesError

__all__ = ["plan_shards"]


def plan_shards(
    holders: Sequence[str],
    *,
    threshold: int,
    answered: Sequence[set[str]],
    missing: Collection[str],
) -> dict[str, tuple[int, ...]]:
    """Who opens which chunks: ``threshold`` holders each, in turn, so that all work alike.

    Raises:
        NotEnoughSharesError: too many holders are missing.
    """
    shards: dict[str, list[int]] = {}
    for index, done in enumerate(answered):
        in_turn = [holders[(index + i) % len(holders)] for i in range(len(holders))]
        able = [name for name in in_turn if name not in missing and name not in done]
        lacking = threshold - len(done)
        if lacking > len(able):
            raise NotEnoughSharesError(
                f"chunk {index} needs the answers of {lacking} more holders, and {len(able)} can "
                f"be asked; {threshold} of {len(holders)} must answer"
            )
        for name in able[: max(0, lacking)]:
            shards.setdefault(name, []).append(index)
    return {name: tuple(chunks) for name, chunks in shards.items()}
