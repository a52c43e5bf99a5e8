"""Secure sums: contributors, an aggregator and holders of the key that exchange messages.

Every object takes bytes and gives bytes, so any transport can carry them. The secret key is shared
among several holders (``Federation(key=threshold_key, ...)``), held by one authority that has no
data, or by every contributor. Message flow, promises and limits: docs/protocol.md.

    >>> import veilsum as vs
    >>> from veilsum.secure_sum import Aggregator, Contributor, Federation, KeyHolder
"""

from veilsum.ceremony.key_ceremony import KeyCeremony
from veilsum.ceremony.together import generate_together
from veilsum.identity import Enrolment, Identity
from veilsum.paillier.threshold import KeyShare, ThresholdKey, deal_shares
from veilsum.secure_sum.aggregator import Aggregator
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
from veilsum.secure_sum.relay import Relay
from veilsum.secure_sum.relay_report import RelayReport
from veilsum.secure_sum.relayed_sum import RelayedSum, RelayRequest
from veilsum.secure_sum.round_ledger import RoundLedger, RunName
from veilsum.secure_sum.round_set import RoundSet, SignedRoot
from veilsum.secure_sum.round_store import FolderStore, MemoryStore
from veilsum.secure_sum.spot_check import SpotCheck
from veilsum.secure_sum.sum_result import SumResult
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
    "KeyCeremony",
    "KeyHolder",
    "KeyShare",
    "Lock",
    "MemoryStore",
    "OpenRequest",
    "Opening",
    "Outbox",
    "PartyFolder",
    "Relay",
    "RelayReport",
    "RelayRequest",
    "RelayedSum",
    "RoundDescriptor",
    "RoundLedger",
    "RoundLink",
    "RoundSet",
    "RunChain",
    "RunName",
    "SignedRoot",
    "SpotCheck",
    "SumResult",
    "ThresholdKey",
    "Transcript",
    "deal_shares",
    "generate_together",
    "hash_model",
]
