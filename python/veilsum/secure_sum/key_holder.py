"""The party that can decrypt, and opens one sum a round."""

import hashlib

from veilsum.errors import KeyMismatchError, PolicyRefusedError, ProtocolError
from veilsum.keys import SecretKey
from veilsum.secure_sum.federation import Federation
from veilsum.secure_sum.messages import Opening, OpenRequest
from veilsum.vector import EncryptedVector, Progress
from veilsum.wire import BytesLike, as_bytes

__all__ = ["KeyHolder"]


class KeyHolder:
    """Whoever holds the secret key: the authority, or each contributor where the key is shared.

    Opens at most one set for a round, and none of fewer than ``min_contributors``. It keeps no
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
        self._opened: dict[bytes, bytes] = {}

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
            PolicyRefusedError: fewer contributors than agreed, or another set of a round that was
                opened before.
            ProtocolError: a total of another number of contributors, or in another codec.
            KeyMismatchError, InvalidCiphertextError: as ``EncryptedVector.from_bytes``.
            CapacityError: the total does not fit its lanes: not an honest sum.
        """
        data = as_bytes(request)
        request_hash = hashlib.sha256(data).digest()
        asked = OpenRequest.from_bytes(data)
        fewest = self._federation.min_contributors
        if len(asked.contributors) < fewest:
            raise PolicyRefusedError(
                f"a sum of {len(asked.contributors)} is asked for; the federation opens none of "
                f"fewer than {fewest}"
            )
        if self._opened.get(asked.round_id, request_hash) != request_hash:
            raise PolicyRefusedError("another sum of this round was opened; a second one is not")
        total = EncryptedVector.from_bytes(asked.total, self._federation.public_key)
        if total.codec != self._federation.codec:
            raise ProtocolError("the total has another codec than agreed")
        if total.num_addends != len(asked.contributors):
            raise ProtocolError(
                f"the total has {total.num_addends} addends for {len(asked.contributors)} names"
            )
        # Before decrypting: even a failed decryption must not be tried with another set.
        self._opened[asked.round_id] = request_hash
        plaintexts = self._key.decrypt_plaintexts(
            total.ciphertexts, num_threads=num_threads, progress=progress
        )
        lanes = self._federation.codec.unpack_lanes(
            plaintexts, modulus=self._federation.public_key.n, num_threads=num_threads
        )
        return Opening(request_hash=request_hash, lanes=lanes).to_bytes()
