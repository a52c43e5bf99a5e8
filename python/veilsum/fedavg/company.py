"""What a run works with in its process: clients, keys, ledgers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from veilsum.fedavg.clients import Client
from veilsum.fedavg.parameters import Model
from veilsum.fedavg.progress import Silence
from veilsum.paillier.secret_key import SecretKey
from veilsum.privacy import Ledger
from veilsum.schemes import DealtKey, check_key_or_dealt
from veilsum.system import thread_count

__all__ = ["Company"]


@dataclass(frozen=True, kw_only=True)
class Company:
    """What a run works with in this process and never keeps: other arguments of ``FedAvg``."""

    clients: Sequence[Client]
    key: SecretKey | DealtKey | None
    ledger_for: Callable[[str], Ledger] | None
    evaluate: Callable[[Model], float] | None
    num_threads: int | None
    progress: Silence

    def __post_init__(self) -> None:
        """Check what can be checked before keys are made."""
        thread_count(self.num_threads)
        check_key_or_dealt("key", self.key)
        for name in ("evaluate", "ledger_for"):
            value = getattr(self, name)
            if value is not None and not callable(value):
                raise TypeError(f"{name} must be callable, not {type(value).__name__}")
