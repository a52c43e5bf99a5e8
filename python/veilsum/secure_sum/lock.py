"""A holder's word, before anything is opened, that it opens one set of a round and no other."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from veilsum import arguments
from veilsum.errors import ProtocolError
from veilsum.identity import NAME, Enrolment, Identity, Role, verify
from veilsum.message import Message
from veilsum.secure_sum.federation import Federation
from veilsum.secure_sum.fields import check_hash, ed25519, sha256
from veilsum.wire import WireKind

__all__ = ["Lock", "check_lock", "check_locks"]


@dataclass(frozen=True, kw_only=True)
class Lock(Message, kind=WireKind.LOCK, version=1):
    """What a holder answers before it opens: it has recorded that this set is the one it opens.

    It has checked the signatures of the whole set, and the chunks that it was asked to open.

    Two sets with as many locks as it takes answers to open a sum (t of n, 2t > n + f) have more
    than f holders in common, so an honest one: it signs one set for each round number, so there is
    only one such set.

    Attributes:
        round_id: of the round; it names the federation, and with it the run, and the number.
        set_hash: of the set.
        holder: who locks.
        signature: over these, by the holder.
    """

    round_id: Annotated[bytes, sha256("SHA-256 of the round descriptor")]
    set_hash: Annotated[bytes, sha256("the name of the set, section 7")]
    holder: Annotated[str, NAME]
    signature: Annotated[bytes, ed25519("section 7, of role 2, over set_hash")]

    @classmethod
    def signed(cls, identity: Identity, *, round_id: bytes, set_hash: bytes) -> "Lock":
        """A lock with its signature."""
        arguments.instance("identity", identity, Identity)
        check_hash("set_hash", set_hash)
        return cls(
            round_id=round_id,
            set_hash=set_hash,
            holder=identity.name,
            signature=identity.sign(WireKind.LOCK, Role.HOLDER, round_id, set_hash),
        )

    def verify(self, holder: Enrolment) -> None:
        """SignatureError unless it is signed by this holder."""
        verify(holder, self.signature, WireKind.LOCK, Role.HOLDER, self.round_id, self.set_hash)


def check_locks(
    federation: Federation, locks: Iterable[Lock], *, round_id: bytes, set_hash: bytes
) -> None:
    """That these are of this set, each of another holder, and as many as it takes to open a sum.

    Raises:
        ProtocolError: a lock is of another round or set, is of nobody who holds the key, or is
            there twice; or there are too few.
        SignatureError: a lock is not signed by its holder.
    """
    names, needed = set[str](), federation.num_locks
    for lock in locks:
        if needed == 0:
            raise ProtocolError("there are locks where one party opens alone, and locks nothing")
        check_lock(federation, lock, round_id=round_id, set_hash=set_hash)
        if lock.holder in names:
            raise ProtocolError(f"the lock of {lock.holder} is there twice")
        names.add(lock.holder)
    if len(names) < needed:
        raise ProtocolError(
            f"{len(names)} holders have locked the set, and {needed} must before it is opened"
        )


def check_lock(federation: Federation, lock: Lock, *, round_id: bytes, set_hash: bytes) -> None:
    """One of them; errors as ``check_locks``."""
    holder = federation.holder(lock.holder)
    if holder is None:
        raise ProtocolError(f"{lock.holder} is no holder of the federation")
    if (lock.round_id, lock.set_hash) != (round_id, set_hash):
        raise ProtocolError(f"{lock.holder} has locked another set")
    lock.verify(holder)
