"""What an aggregator has in the end."""

from dataclasses import dataclass

from veilsum.opened_sum import Sum
from veilsum.secure_sum.link import RoundLink

__all__ = ["SumResult"]


@dataclass(frozen=True)
class SumResult:
    """A sum that was opened.

    Attributes:
        sum: the decoded sum of weighted changes, and of weights.
        contributors: whose contributions are in it, sorted.
        round_id: of the round.
        transcript: what was signed by whom, to be checked by others (``Transcript``).
        link: what stands for the round in the chain of the run.
        salt: for those who may know the sum: with it the link's commitment can be checked.
    """

    sum: Sum
    contributors: tuple[str, ...]
    round_id: bytes
    transcript: bytes
    link: RoundLink
    salt: bytes
