"""Secure sums: contributors, an aggregator and a key holder that exchange messages.

Every object takes bytes and gives bytes, so any transport can carry them. This is the form with one
secret key: held by every contributor (``trust="shared"``) or by one authority that has no data
(``trust="authority"``). Message flow, promises and limits: docs/protocol.md.

    >>> import veilsum as vs
    >>> from veilsum.secure_sum import Aggregator, Contributor, Federation, KeyHolder
"""

from veilsum.secure_sum.aggregator import Aggregator, SumResult
from veilsum.secure_sum.contributor import Contributor
from veilsum.secure_sum.federation import Federation
from veilsum.secure_sum.key_holder import KeyHolder
from veilsum.secure_sum.messages import Contribution, Opening, OpenRequest, RoundDescriptor
from veilsum.secure_sum.model_hash import hash_model

__all__ = [
    "Aggregator",
    "Contribution",
    "Contributor",
    "Federation",
    "KeyHolder",
    "OpenRequest",
    "Opening",
    "RoundDescriptor",
    "SumResult",
    "hash_model",
]
