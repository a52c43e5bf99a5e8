"""The party that can decrypt, and opens one sum a round."""

import hashlib
import threading

from veilsum.errors import KeyMismatchError, PolicyRefusedError, ProtocolError
from veilsum.keys import SecretKey
from veilsum.secure_sum.federation import Federation
from veilsum.secure_sum.messages import Opening, OpenRequest, RoundDescriptor
from veilsum.vector import EncryptedVector, Progress
from veilsum.wire import BytesLike, as_bytes

__all__ = ["KeyHolder"]


class KeyHolder:
    """Whoever holds the secret key: the authority, or each contributor where the key is shared.

    Serves one run, opens at most one set for each of its rounds, and none of fewer than
    ``min_contributors``: two overlapping sums would differ by single contributions. It keeps no
    record beyond its own life, and it believes the aggregator that the ciphertext *is* the sum of
    the contributions of those named: one key alone cannot tell a sum from one contribution. Where
    the aggregator may cheat, that needs signed contributions and several holders.

    Raises:
        KeyMismatchError: the secret key is not the federation's.
    """

    def __init__(self, federation: Federation, *, secret_key: SecretKey) -> None:
        if secret_key.public_key != federation.public_key:
            raise KeyMismatchError("the secret key is not that of the federation")
        self._federation = federation
        self._key = secret_key
        self._run_id: bytes | None = None
        self._opened: dict[int, bytes] = {}
        self._lock = threading.Lock()

    def open(
        self,
        request: BytesLike,
        *,
        num_threads: int | None = None,
        progress: Progress | None = None,
    ) -> bytes:
        """Decrypt the total of a request: the bytes of the answer.

        The same request again gets the same answer.

        Raises:
            MalformedDataError: not a request.
            PolicyRefusedError: another federation, fewer contributors than agreed, a second run, or
                another request for a round that was opened before.
            ProtocolError: contributors who were not invited; a total of another number of
                contributors, or in another codec.
            KeyMismatchError, InvalidCiphertextError: as ``EncryptedVector.from_bytes``.
            CapacityError: the total does not fit its lanes: not an honest sum.
        """
        data = as_bytes(request)
        request_hash = hashlib.sha256(data).digest()
        asked = OpenRequest.from_bytes(data)
        self._check_contributors(asked)
        total = EncryptedVector.from_bytes(asked.total, self._federation.public_key)
        if total.codec != self._federation.codec:
            raise ProtocolError("the total has another codec than agreed")
        if total.num_addends != len(asked.contributors):
            raise ProtocolError(
                f"the total has {total.num_addends} addends for {len(asked.contributors)} names"
            )
        # Before decrypting: even a failed decryption must not be tried with another set.
        self._use_up_round(asked.descriptor, request_hash)
        plaintexts = self._key.decrypt_plaintexts(
            total.ciphertexts, num_threads=num_threads, progress=progress
        )
        lanes = self._federation.codec.unpack_lanes(
            plaintexts, modulus=self._federation.public_key.n, num_threads=num_threads
        )
        return Opening(request_hash=request_hash, lanes=lanes).to_bytes()

    def _check_contributors(self, asked: OpenRequest) -> None:
        if asked.descriptor.federation_hash != self._federation.hash:
            raise PolicyRefusedError(
                "the round belongs to another federation than the one agreed on"
            )
        fewest = self._federation.min_contributors
        if len(asked.contributors) < fewest:
            raise PolicyRefusedError(
                f"a sum of {len(asked.contributors)} is asked for; the federation opens none of "
                f"fewer than {fewest}"
            )
        if not set(asked.contributors) <= set(asked.descriptor.invited):
            raise ProtocolError("the request names contributors who were not invited")

    def _use_up_round(self, descriptor: RoundDescriptor, request_hash: bytes) -> None:
        # Under a lock: of two threads with different requests one is refused.
        with self._lock:
            if self._run_id is None:
                self._run_id = descriptor.run_id
            if descriptor.run_id != self._run_id:
                raise PolicyRefusedError(
                    "this key has opened sums of another run; a new run takes a new key"
                )
            if self._opened.setdefault(descriptor.round_number, request_hash) != request_hash:
                raise PolicyRefusedError(
                    f"another sum of round {descriptor.round_number} was opened; "
                    "a second one is not"
                )
