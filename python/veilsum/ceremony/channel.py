"""What one holder says to one other, sealed under keys that end with the ceremony.

X25519 keys of this ceremony alone, which their holders signed with all else of the first step;
ChaCha20-Poly1305 under a key of HKDF for each step and direction. The nonce is a keyed hash of what
is sealed: a holder that begins again after a crash seals the same bytes the same way, and never two
different ones with one nonce. All from the ``cryptography`` package.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from veilsum.ceremony.holder import Holder

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

__all__ = ["Channels"]

_NONCE_BYTES = 12


class Channels:
    """One holder's boxes to and from the others."""

    def __init__(self, holder: Holder) -> None:
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

        self._holder = holder
        self._key = X25519PrivateKey.from_private_bytes(holder.draw("session key", 32))
        self._public_keys: dict[int, bytes] = {}
        self._shared: dict[int, bytes] = {}

    @property
    def public_key(self) -> bytes:
        """For the others."""
        return self._key.public_key().public_bytes_raw()

    def meet(self, public_keys: Mapping[int, bytes]) -> None:
        """Take everybody's session keys.

        Raises:
            ProtocolError: two are the same, or one is none; it names their holders.
        """
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

        holder = self._holder
        owners: dict[bytes, list[int]] = {}
        for i, key in public_keys.items():
            owners.setdefault(key, []).append(i)
        for same in owners.values():
            if len(same) > 1:
                raise holder.blame(same, "they have the same session key")
        self._public_keys = dict(public_keys)
        for i in holder.others:
            try:
                self._shared[i] = self._key.exchange(
                    X25519PublicKey.from_public_bytes(public_keys[i])
                )
            except ValueError:
                raise holder.blame([i], "its session key is none of X25519") from None

    def seal(self, receiver: int, step: str, plain: bytes) -> bytes:
        """A box that only the receiver opens."""
        me = self._holder.number
        nonce = self._holder.draw("nonce", _NONCE_BYTES, step.encode(), bytes([receiver]), plain)
        return nonce + bytes(self._cipher(receiver, step, me, receiver).encrypt(nonce, plain, None))

    def open(self, sender: int, step: str, box: bytes, size: int) -> bytes:
        """What a box of that step holds.

        Raises:
            ProtocolError: it was not sealed by that sender for this holder, or has another size.
        """
        from cryptography.exceptions import InvalidTag

        cipher = self._cipher(sender, step, sender, self._holder.number)
        try:
            plain = bytes(cipher.decrypt(box[:_NONCE_BYTES], box[_NONCE_BYTES:], None))
        except (InvalidTag, ValueError):
            raise self._holder.blame([sender], "its box for this holder does not open") from None
        if len(plain) != size:
            raise self._holder.blame([sender], "its box for this holder has a wrong length")
        return plain

    def wipe(self) -> None:
        """Forget the keys."""
        self._shared.clear()
        del self._key

    def _cipher(self, other: int, step: str, sender: int, receiver: int) -> ChaCha20Poly1305:
        from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        about = self._holder.public(
            f"box of {step}", 32, *(self._public_keys[i] for i in (sender, receiver))
        )
        return ChaCha20Poly1305(HKDF(SHA256(), 32, None, about).derive(self._shared[other]))
