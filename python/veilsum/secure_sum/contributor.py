"""The party that has data: checks what it is asked for, then sends one encrypted contribution."""

from numpy.typing import ArrayLike

from veilsum.errors import InvalidArgumentError, KeyMismatchError, PolicyRefusedError
from veilsum.keys import PublicKey, SecretKey
from veilsum.privacy import Ledger
from veilsum.secure_sum.federation import Federation
from veilsum.secure_sum.messages import Contribution, RoundDescriptor, check_name
from veilsum.vector import Progress
from veilsum.wire import BytesLike

__all__ = ["Contributor"]


class Contributor:
    """One contributor, round after round of one run. Use it from one thread at a time.

    Args:
        federation: the agreement, from a trusted channel; whatever differs from it is refused.
        name: this contributor's, as rounds invite it.
        ledger: the record of privacy spent; needed if the federation has noise.
        secret_key: with ``trust="shared"``, makes encryption faster.

    Raises:
        InvalidArgumentError: noise without a ledger, or a secret key that the agreement gives to
            an authority alone.
        KeyMismatchError: the secret key is not the federation's.
    """

    def __init__(
        self,
        federation: Federation,
        *,
        name: str,
        ledger: Ledger | None = None,
        secret_key: SecretKey | None = None,
    ) -> None:
        if federation.noise is not None and ledger is None:
            raise InvalidArgumentError(
                "the federation agreed on noise, so a contributor needs a ledger of what it "
                "spends: veilsum.privacy.Ledger.create(path, epsilon=..., delta=...)"
            )
        if secret_key is not None:
            if federation.trust != "shared":
                raise InvalidArgumentError(
                    "in this federation an authority holds the key; a contributor must not"
                )
            if secret_key.public_key != federation.public_key:
                raise KeyMismatchError("the secret key is not that of the federation")
        self._federation = federation
        self._name = check_name(name)
        self._ledger = ledger
        self._key: PublicKey | SecretKey = secret_key or federation.public_key
        self._run_id: bytes | None = None
        self._last_round = 0

    @property
    def name(self) -> str:
        """As rounds invite it."""
        return self._name

    def contribute(
        self,
        descriptor: BytesLike,
        delta: ArrayLike,
        *,
        model_hash: bytes,
        weight: float = 1.0,
        num_threads: int | None = None,
        progress: Progress | None = None,
    ) -> bytes:
        """Make this round's contribution: the bytes to send. Privacy is charged before it returns.

        Args:
            descriptor: the aggregator's announcement of the round.
            delta: shape ``(dim,)``, the change of the model; see ``Codec.encrypt``.
            model_hash: ``hash_model`` of the model that this contributor received and trained.
            weight: what the change counts in the mean, in [0, 1].
            num_threads: as for ``Codec.encrypt``.
            progress: as for ``Codec.encrypt``.

        Raises:
            MalformedDataError: the descriptor is not one.
            PolicyRefusedError: it asks for what the agreement forbids: another federation, another
                model, another run, a round that is over, a second contribution.
            BudgetExhaustedError, LedgerError: the privacy cannot be charged; nothing was made
                public.
            TypeError, InvalidArgumentError: as ``Codec.encrypt``.
        """
        announced = RoundDescriptor.from_bytes(descriptor)
        self._check_policy(announced, model_hash)
        federation = self._federation
        vector = federation.codec.encrypt(
            delta,
            key=self._key,
            weight=weight,
            noise=federation.noise,
            num_threads=num_threads,
            progress=progress,
        )
        contribution = Contribution(
            round_id=announced.round_id, contributor=self._name, vector=vector.to_bytes()
        )
        # Last, so that only what is complete is charged; and before anything is handed out.
        if federation.noise is not None and self._ledger is not None:
            self._ledger.charge(announced.round_id, noise=federation.noise, codec=federation.codec)
        self._run_id, self._last_round = announced.run_id, announced.round_number
        return contribution.to_bytes()

    def _check_policy(self, announced: RoundDescriptor, model_hash: bytes) -> None:
        if announced.federation_hash != self._federation.hash:
            raise PolicyRefusedError(
                "the round belongs to another federation than the one agreed on; "
                "compare Federation.hash with the aggregator"
            )
        if self._name not in announced.invited:
            raise PolicyRefusedError(f"{self._name} is not invited to this round")
        if announced.model_hash != model_hash:
            raise PolicyRefusedError(
                "the round announces another model than the one received; "
                "contributors must not be given different models"
            )
        if self._run_id not in (None, announced.run_id):
            raise PolicyRefusedError(
                "this contributor takes part in another run; a new run takes a new federation"
            )
        if announced.round_number <= self._last_round:
            raise PolicyRefusedError(
                f"round {announced.round_number} is asked for, but this contributor has already "
                f"contributed to round {self._last_round} of the run"
            )
