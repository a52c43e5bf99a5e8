"""Secure sums: contributors, an aggregator and holders of the key that exchange messages.

Every object takes bytes and gives bytes, so any transport can carry them. The secret key is shared
among several holders (``Federation(key=threshold_key, ...)``), held by one authority that has no
data, or by every contributor. Message flow, promises and limits: docs/protocol.md.

    >>> import veilsum as vs
    >>> from veilsum.secure_sum import Aggregator, Contributor, Federation, KeyHolder
"""

from veilsum.identity import Enrolment, Identity
from veilsum.paillier.threshold import KeyShare, ThresholdKey, deal_shares
from veilsum.secure_sum.aggregator import Aggregator, SumResult
from veilsum.secure_sum.announcement import Announcement
from veilsum.secure_sum.contribution import Chunk, ContributionHeader
from veilsum.secure_sum.contributor import Contributor
from veilsum.secure_sum.descriptor import RoundDescriptor
from veilsum.secure_sum.federation import Federation
from veilsum.secure_sum.intake import Arrival
from veilsum.secure_sum.invitations import Invitation, Invitations, Invited
from veilsum.secure_sum.kept_sums import KeptSums
from veilsum.secure_sum.key_holder import KeyHolder
from veilsum.secure_sum.link import ChainEnd, RoundLink, RunChain
from veilsum.secure_sum.lock import Lock
from veilsum.secure_sum.model_hash import hash_model
from veilsum.secure_sum.opening import ChunkRequest, Opening, OpenRequest
from veilsum.secure_sum.outbox import Outbox
from veilsum.secure_sum.party_folder import PartyFolder
from veilsum.secure_sum.round_ledger import RoundLedger, RunName
from veilsum.secure_sum.round_set import RoundSet, SignedRoot
from veilsum.secure_sum.round_store import FolderStore, MemoryStore
from veilsum.secure_sum.transcript import Transcript

__all__ = [
    "Aggregator",
    "Announcement",
    "Arrival",
    "ChainEnd",
    "Chunk",
    "ChunkRequest",
    "ContributionHeader",
    "Contributor",
    "Enrolment",
    "Federation",
    "FolderStore",
    "Identity",
    "Invitation",
    "Invitations",
    "Invited",
    "KeptSums",
    "KeyHolder",
    "KeyShare",
    "Lock",
    "MemoryStore",
    "OpenRequest",
    "Opening",
    "Outbox",
    "PartyFolder",
    "RoundDescriptor",
    "RoundLedger",
    "RoundLink",
    "RoundSet",
    "RunChain",
    "RunName",
    "SignedRoot",
    "SumResult",
    "ThresholdKey",
    "Transcript",
    "deal_shares",
    "hash_model",
]
