"""Shared keys: any ``threshold`` of the key holders open a sum, fewer learn nothing.

    >>> import veilsum as vs
    >>> sk = vs.generate_key(2048, safe_primes=True)
    >>> key, shares = vs.threshold.deal_shares(
    ...     sk, num_holders=5, threshold=4, max_colluding_holders=2
    ... )
    >>> c = key.public_key.encrypt([3, -4, 5])
    >>> partials = [share.decrypt(c, context=b"run 1, round 1") for share in shares[1:]]
    >>> key.combine(c, partials, context=b"run 1, round 1")
    [3, -4, 5]

What this computes, and why it holds: docs/threshold.md.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import Any

from veilsum import _core, arguments
from veilsum.errors import InvalidArgumentError
from veilsum.keyfile import SavedSecret
from veilsum.paillier.ciphertexts import Ciphertexts
from veilsum.paillier.plaintexts import to_lists
from veilsum.paillier.public_key import PublicKey
from veilsum.paillier.secret_key import SecretKey
from veilsum.system import Progress, thread_count, watcher
from veilsum.wire import BytesLike, WireKind, as_bytes

__all__ = ["Combination", "KeyShare", "PartialDecryption", "ThresholdKey", "deal_shares"]

_MIN_KEY_BITS = 2047  # Rule PK1.
_MOST_COUNTED = 1 << 32  # Far more holders than there can be, which SH1 to SH3 tell.


def deal_shares(
    secret_key: SecretKey, *, num_holders: int, threshold: int, max_colluding_holders: int
) -> tuple[ThresholdKey, list[KeyShare]]:
    """Share a secret key among holders.

    Whoever calls this knows the whole key, and is trusted to drop it: it is wiped from memory with
    the last reference to ``secret_key``.

    Args:
        secret_key: made with ``generate_key(safe_primes=True)``.
        num_holders: how many shares there are, 2 to 64.
        threshold: how many of them open a sum.
        max_colluding_holders: how many holders may break their promises. ``2 * threshold`` must
            exceed ``num_holders + max_colluding_holders``, so that two different sums of a round
            can never both be opened: 4 of 5 with 2, or 3 of 4 with 1.

    Returns:
        The public half, for everybody, and the shares, one for each holder.

    Raises:
        InvalidArgumentError: the numbers do not fit together (SH1 to SH3).
        InvalidKeyError: the primes are not safe (SH4).
    """
    arguments.instance("secret_key", secret_key, SecretKey)
    return wrap_dealt(
        _core.deal_shares(
            secret_key._native,
            arguments.count("num_holders", num_holders, at_most=_MOST_COUNTED),
            arguments.count("threshold", threshold, at_most=_MOST_COUNTED),
            arguments.count("max_colluding_holders", max_colluding_holders, at_most=_MOST_COUNTED),
        )
    )


class ThresholdKey:
    """The public half of a shared key: its public key, the policy, and verification keys.

    Safe to share and pickle. Get it from the dealer in a way that nobody else can change, or
    compare fingerprints: whoever checks partial decryptions relies on it.
    """

    __slots__ = ("_native", "_public_key")

    def __init__(self, native: _core.ThresholdKey) -> None:
        if not isinstance(native, _core.ThresholdKey):
            raise TypeError("make a ThresholdKey with deal_shares or from_bytes")
        self._native = native
        self._public_key = PublicKey(native.public_key)

    @classmethod
    def made_together(
        cls,
        public_key: PublicKey,
        *,
        num_holders: int,
        threshold: int,
        max_colluding_holders: int,
        verification_base: int,
        verification_keys: Sequence[int],
    ) -> ThresholdKey:
        """The public half of a key that its holders made, and that nobody ever had whole.

        Args:
            public_key: of the modulus n that they made, known by nothing else.
            num_holders: how many they are, 3 to 64.
            threshold: how many of them open a sum.
            max_colluding_holders: how many may collude, a minority. Any more of them, who kept
                what they made the key from, know it.
            verification_base: v, a square modulo n that nobody chose.
            verification_keys: of each holder, v raised to its secret exponent modulo n.

        Raises:
            InvalidArgumentError: the numbers do not fit together (SH1 to SH3, SH13).
            InvalidKeyError: a verification key out of range or no unit (SH5), or those of
                ``threshold`` holders that open nothing, or do not fit the others' (SH14).
        """
        arguments.instance("public_key", public_key, PublicKey)
        base = arguments.integer("verification_base", verification_base)
        keys = [
            arguments.integer("verification_keys", power)
            for power in arguments.items("verification_keys", verification_keys)
        ]
        return cls(
            _core.ThresholdKey.made_together(
                public_key._native,
                arguments.count("num_holders", num_holders, at_most=_MOST_COUNTED),
                arguments.count("threshold", threshold, at_most=_MOST_COUNTED),
                arguments.count(
                    "max_colluding_holders", max_colluding_holders, at_most=_MOST_COUNTED
                ),
                [base, *keys],
            )
        )

    @property
    def is_made_together(self) -> bool:
        """Whether its holders made it, and no dealer."""
        return self._native.is_made_together

    @property
    def exponent_bound(self) -> int:
        """Every holder's secret exponent is nearer to 0 than this."""
        return self._native.exponent_bound

    @property
    def public_key(self) -> PublicKey:
        """The Paillier key that encrypts."""
        return self._public_key

    @property
    def num_holders(self) -> int:
        """How many key holders there are; they count from 1."""
        return self._native.num_holders

    @property
    def threshold(self) -> int:
        """How many of them open a sum."""
        return self._native.threshold

    @property
    def max_colluding_holders(self) -> int:
        """How many holders may break their promises."""
        return self._native.max_colluding_holders

    @property
    def fingerprint(self) -> bytes:
        """32 bytes that name the key: SHAKE256 of its wire form."""
        return self._native.fingerprint

    def to_bytes(self) -> bytes:
        """The wire form (docs/wire-format.md)."""
        return self._native.to_bytes()

    @classmethod
    def from_bytes(cls, data: BytesLike) -> ThresholdKey:
        """Read a key that the dealer sent.

        Raises:
            MalformedDataError: not the wire format.
            InvalidKeyError: names the rule of docs/validation.md that failed.
        """
        return cls(_core.ThresholdKey.from_bytes(as_bytes(data)))

    def combine(
        self, ciphertexts: Ciphertexts, partials: Iterable[PartialDecryption], *, context: BytesLike
    ) -> list[Any]:
        """Open ciphertexts by the partial decryptions of enough holders.

        To check partial decryptions as they come in, or to get Plaintexts, use
        :class:`Combination`.

        Returns:
            Python ints in ``(-n/2, n/2)``: a list, or a list of lists for a matrix.

        Raises:
            ProofError: a partial decryption is wrong; names its holder.
            NotEnoughSharesError: fewer than ``threshold`` for some ciphertext.
            InvalidArgumentError, KeyMismatchError: as :meth:`Combination.add`.
        """
        combination = Combination(self, ciphertexts, context=context)
        for partial in arguments.items("partials", partials):
            combination.add(partial)
        return combination.open()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ThresholdKey):
            return NotImplemented
        return self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        return (
            f"<ThresholdKey: {self.threshold} of {self.num_holders},"
            f" {self._public_key.key_bits} bits, {self.fingerprint.hex()[:16]}>"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return ThresholdKey.from_bytes, (self.to_bytes(),)


class KeyShare(SavedSecret):
    """One holder's share of a secret key.

    It shows nothing of itself, cannot be pickled and is wiped from memory when dropped. Keep it
    with :meth:`save`.
    """

    __slots__ = ("_key", "_native")
    SUFFIX = "share"
    _KIND = WireKind.SHARE_FILE
    _WHAT = "a key share"

    def __init__(self, native: _core.KeyShare) -> None:
        if not isinstance(native, _core.KeyShare):
            raise TypeError("make a KeyShare with deal_shares or KeyShare.load")
        self._native = native
        self._key = ThresholdKey(native.key)

    @classmethod
    def of_exponent(cls, key: ThresholdKey, *, holder: int, exponent: int) -> KeyShare:
        """A holder's share of a key that it made together with others.

        Args:
            key: made with :meth:`ThresholdKey.made_together`.
            holder: its number, from 1 to ``key.num_holders``.
            exponent: its secret exponent, of either sign. The int itself is not wiped.

        Raises:
            InvalidArgumentError: the key was dealt, or there is no such holder.
            InvalidKeyError: an exponent beyond ``key.exponent_bound``, or not the one of the
                holder's verification key (SH6).
        """
        native = _native_key(key)
        number = arguments.count("holder", holder, at_most=_MOST_COUNTED)
        exponent = arguments.integer("exponent", exponent)
        return cls(_core.KeyShare.of_exponent(native, number, abs(exponent), exponent < 0))

    @property
    def key(self) -> ThresholdKey:
        """The public half of the shared key."""
        return self._key

    @property
    def holder(self) -> int:
        """The number of this holder, from 1 to ``key.num_holders``."""
        return self._native.holder

    def decrypt(
        self,
        ciphertexts: Ciphertexts,
        *,
        context: BytesLike,
        first: int = 0,
        num_threads: int | None = None,
        progress: Progress | None = None,
    ) -> PartialDecryption:
        """Do this holder's part in opening ciphertexts, and prove it.

        A share decrypts whatever it is given: make sure before that this may be opened.

        Args:
            ciphertexts: all of a batch, or consecutive ones of it: holders may share the work, as
                long as ``threshold`` of them take each ciphertext.
            context: what the proof is for, such as the name of a round. Whoever combines must say
                the same.
            first: the position in the batch where these ciphertexts begin.
            num_threads: default: all processors, or ``VEILSUM_NUM_THREADS``.
            progress: called as ``progress(done, total)`` about ten times a second.

        Raises:
            KeyMismatchError: encrypted under another key.
            InvalidArgumentError: no ciphertexts, or a position below 0.
        """
        native = self._native.decrypt(
            arguments.instance("ciphertexts", ciphertexts, Ciphertexts)._native,
            arguments.count("first", first),
            as_bytes(context, "context"),
            thread_count(num_threads),
            watcher(progress),
        )
        return PartialDecryption(native)

    def _to_secret(self) -> bytearray:
        if self._key.public_key.key_bits < _MIN_KEY_BITS:
            raise InvalidArgumentError("a share of so small a key is for tests and is not saved")
        return self._native.to_secret_bytes()

    def _to_public(self) -> bytes:
        return self._key.to_bytes()

    @classmethod
    def _from_parts(cls, secret: bytearray, public: bytes) -> KeyShare:
        return cls(_core.KeyShare.from_secret_bytes(secret, _core.ThresholdKey.from_bytes(public)))

    def __repr__(self) -> str:
        return f"<KeyShare: holder {self.holder} of {self._key.num_holders}>"


class PartialDecryption:
    """One holder's part in opening consecutive ciphertexts, with its proof. Public."""

    __slots__ = ("_native",)

    def __init__(self, native: _core.PartialDecryption) -> None:
        if not isinstance(native, _core.PartialDecryption):
            raise TypeError("make a PartialDecryption with KeyShare.decrypt or from_bytes")
        self._native = native

    @property
    def holder(self) -> int:
        """The number of the holder."""
        return self._native.holder

    @property
    def first(self) -> int:
        """The position in the batch of the first ciphertext."""
        return self._native.first

    def __len__(self) -> int:
        return self._native.size

    def to_bytes(self) -> bytes:
        """The wire form (docs/wire-format.md)."""
        return self._native.to_bytes()

    @classmethod
    def from_bytes(cls, data: BytesLike, key: ThresholdKey) -> PartialDecryption:
        """Read what a holder sent. Its proof is checked by a :class:`Combination`.

        Raises:
            MalformedDataError: not the wire format, or no such holder (SH8).
            KeyMismatchError: it belongs to another threshold key (SH7).
            InvalidCiphertextError: an element out of range, or no unit (CT1, CT2).
        """
        return cls(_core.PartialDecryption.from_bytes(as_bytes(data), _native_key(key)))

    def __repr__(self) -> str:
        return (
            f"<PartialDecryption: holder {self.holder},"
            f" ciphertexts {self.first} to {self.first + len(self) - 1}>"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        key = ThresholdKey(self._native.key)
        return PartialDecryption.from_bytes, (self.to_bytes(), key)


class Combination:
    """Collects the partial decryptions of a batch, checks each, and opens it.

    Args:
        key: the public half of the shared key.
        ciphertexts: the whole batch.
        context: what the holders bound their proofs to.

    Raises:
        KeyMismatchError: the ciphertexts are under another key.
    """

    __slots__ = ("_lock", "_native", "_shape")

    def __init__(self, key: ThresholdKey, ciphertexts: Ciphertexts, *, context: BytesLike) -> None:
        self._native = _core.Combination(
            _native_key(key),
            arguments.instance("ciphertexts", ciphertexts, Ciphertexts)._native,
            as_bytes(context, "context"),
        )
        self._shape = ciphertexts.shape
        self._lock = threading.Lock()  # The core's object is for one thread at a time.

    def add(self, partial: PartialDecryption, *, num_threads: int | None = None) -> None:
        """Check a partial decryption and keep it; one that is refused is not kept.

        Raises:
            ProofError: it is not what its holder's share gives; names the holder, and the
                positions where ``threshold`` others are known to be right.
            KeyMismatchError: it belongs to another threshold key (SH7).
            InvalidArgumentError: ciphertexts that are not in the batch, or that the same holder
                has answered already (SH11).
        """
        arguments.instance("partial", partial, PartialDecryption)
        threads = thread_count(num_threads)
        with self._lock:
            self._native.add(partial._native, threads)

    @property
    def num_missing(self) -> int:
        """How many ciphertexts have fewer partial decryptions than the threshold."""
        with self._lock:
            return self._native.num_missing

    def open(self, *, num_threads: int | None = None) -> list[Any]:
        """Python ints in ``(-n/2, n/2)``: a list, or a list of lists for a matrix.

        Raises:
            NotEnoughSharesError: fewer than ``threshold`` partial decryptions of a ciphertext.
        """
        return to_lists(self.open_plaintexts(num_threads=num_threads), self._shape)

    def open_plaintexts(self, *, num_threads: int | None = None) -> _core.Plaintexts:
        """The same as the opaque Plaintexts that a Codec decodes."""
        threads = thread_count(num_threads)
        with self._lock:
            return self._native.open(threads)

    def __repr__(self) -> str:
        return f"<Combination: {self.num_missing} ciphertexts missing>"


def wrap_dealt(
    dealt: tuple[_core.ThresholdKey, list[_core.KeyShare]],
) -> tuple[ThresholdKey, list[KeyShare]]:
    """What the core dealt, as objects for users."""
    key, shares = dealt
    return ThresholdKey(key), [KeyShare(share) for share in shares]


def _native_key(key: ThresholdKey) -> _core.ThresholdKey:
    return arguments.instance("key", key, ThresholdKey)._native
