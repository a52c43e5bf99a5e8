"""The announcement of a round."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

from veilsum.message import Message, u64
from veilsum.secure_sum.fields import NAMES, sha256
from veilsum.wire import WireKind

__all__ = ["RoundDescriptor"]


@dataclass(frozen=True, kw_only=True)
class RoundDescriptor(Message, kind=WireKind.ROUND_DESCRIPTOR, version=2):
    """What the aggregator announces: which round, of which model, and who is invited.

    Args:
        federation_hash: ``Federation.hash``, which names the run too.
        round_number: from 1, growing within a run.
        model_hash: ``hash_model`` of the model that is sent along.
        invited: names of contributors, in any order; kept sorted.

    Raises:
        InvalidArgumentError: a hash has another length, the round number is below 1, or a name is
            bad or repeated.
    """

    federation_hash: Annotated[bytes, sha256("SHA-256 of the federation's message")]
    round_number: Annotated[int, u64(at_least=1)]
    model_hash: Annotated[bytes, sha256("SHA-256 of the model, below")]
    invited: Annotated[tuple[str, ...], NAMES]

    @cached_property
    def round_id(self) -> bytes:
        """SHA-256 of the wire form: the name of the round in all other messages."""
        return hashlib.sha256(self.to_bytes()).digest()
