"""Encrypted sums of float vectors: Codec, EncryptedVector, Accumulator.

A codec turns a model update and its weight into integers on a fixed grid and packs many of them
into one plaintext. Every contributor, the aggregator and whoever opens the sum use the same codec.
"""

import threading
from typing import Any, ClassVar, Literal, get_args

from numpy.typing import ArrayLike

from veilsum import arguments
from veilsum._core import Plaintexts
from veilsum.codec import ClipReport, GridNoise, SlotCodec
from veilsum.errors import InvalidArgumentError, KeyMismatchError
from veilsum.opened_sum import Sum
from veilsum.paillier.ciphertext_sum import CiphertextSum
from veilsum.paillier.ciphertexts import Ciphertexts
from veilsum.paillier.encrypted import Encrypted
from veilsum.paillier.public_key import PublicKey, RandomiserPool
from veilsum.paillier.secret_key import SecretKey
from veilsum.schemes import packing
from veilsum.schemes.mask_shape import MaskShape, is_shorter_masked
from veilsum.schemes.masking import MaskedPart, MaskedSum, Masking, check_context
from veilsum.schemes.vector_message import check_vector, read_vector, write_vector
from veilsum.system import Progress
from veilsum.wire import BytesLike, as_bytes

__all__ = ["Accumulator", "ClipReport", "Codec", "EncryptedVector", "GridNoise", "Sum"]

Key = PublicKey | SecretKey
VectorScheme = Literal["auto", "packed", "masked"]


class Codec(SlotCodec):
    """How float vectors become integers and back: the agreement of everyone in a sum.

    Values are clipped to ``[-clip, clip]``, multiplied by the contributor's weight and rounded to a
    grid of ``(2**(value_bits - 1) - 1) * 2**weight_bits`` steps on each side of 0. Immutable,
    comparable, hashable and picklable.

    Args:
        dim: number of values in a vector.
        clip: largest magnitude of a value that counts, in model units: one number, one for each
            value, or pairs ``(number of values, clip)`` that follow one another. How to choose it:
            ``veilsum.measure_updates``.
        value_bits: bits of a quantised value, 2 to 40.
        max_addends: most vectors that a sum may have; sizes the head-room of the slots.
        weight_bits: bits that weights below 1 may cost: a contributor of weight w keeps
            ``value_bits`` of precision for every w from ``2**-weight_bits`` to 1, and a smaller one
            is refused. The default is for weights of 1. Public, and as many bits more in a slot;
            with ``value_bits`` at most 40. ``for_weight_spread`` finds it.
        norm: ``"l1"`` or ``"l2"`` also bounds the whole vector, by shrinking it, so that the norm
            of its integers never exceeds ``norm_bound`` on the grid: what noise is calibrated to.
        norm_bound: that bound, in model units. Rounding adds up to ``sqrt(dim) / 2`` grid steps to
            an L2 norm; choose ``value_bits`` so that this is little beside ``norm_bound * scale``.
            Where clips differ, each value counts in the norm times the largest clip over its own.
        rounding: ``"nearest"``, or ``"stochastic"`` for rounding without bias.
        noise_bound: head-room in grid steps for the noise of all addends together.

    Raises:
        TypeError: a parameter of the wrong type.
        InvalidArgumentError: a parameter outside its range, or slots of more than 62 bits.
    """

    def slots_per_ciphertext(self, key: Key) -> int:
        """How many values one ciphertext of ``key`` carries."""
        return packing.layout(self, _public(key).n).slots_per_plaintext

    def num_ciphertexts(self, key: Key) -> int:
        """How many ciphertexts of ``key`` a vector and its weight take."""
        return packing.layout(self, _public(key).n).num_plaintexts

    @property
    def mask_shape(self) -> MaskShape:
        """How masked vectors of this codec lie in a ring: chosen by a rule (docs/masks.md).

        Raises:
            InvalidArgumentError: no mask has room for slots this wide and so many addends.
        """
        return MaskShape.of(self)

    def encrypt(
        self,
        delta: ArrayLike,
        *,
        key: Key,
        weight: float = 1.0,
        noise: GridNoise | None = None,
        scheme: VectorScheme = "auto",
        context: BytesLike = b"",
        pool: RandomiserPool | None = None,
        num_threads: int | None = None,
        progress: Progress | None = None,
    ) -> "EncryptedVector":
        """Encrypt one contributor's vector and weight so that only a sum need ever be opened.

        Args:
            delta: shape ``(dim,)``, float16/32/64 or integers up to 2**53, finite. An integer is
                exact where ``clip * k == 2**(value_bits - 1) - 1`` for a whole k.
            key: the key of this round; its owner may pass the secret key, which is faster.
            weight: what the vector counts in the mean: 0, or from ``2**-weight_bits`` to 1.
            noise: adds integer noise to the quantised vector and weight before encryption. Noisy
                values are never clipped; ``noise_bound`` makes room for them.
            scheme: ``"packed"``: Paillier all the way. ``"masked"``: a lattice mask over the
                vector and its short secret under Paillier, far faster for long vectors. ``"auto"``:
                what is shorter, and packed where no context is given.
            context: 1 to 255 bytes that name the sum, for a masked vector: the same for all vectors
                of one sum, and new for every other one. Public.
            pool: randomisers made ahead by ``key.precompute``; for a public key only.
            num_threads: None for as many as there are processors.
            progress: called with ``(done, total)`` now and then.

        Returns:
            Of ``num_ciphertexts(key)`` ciphertexts if it is packed, whatever the values.
            ``.report`` says what was clipped.

        Raises:
            TypeError: ``delta`` is not an array of float16, float32, float64 or integers, or has
                masked values; a pool is given with a secret key.
            InvalidArgumentError: wrong shape, NaN or infinity, a weight outside [0, 1] or too small
                for ``weight_bits``; more than 255 bytes of context; a masked vector without a
                context or with a pool, or of a codec that no mask has room for.
        """
        scheme = arguments.choice("scheme", scheme, get_args(VectorScheme))
        context = check_context(context) if as_bytes(context, "context") else b""
        if scheme == "masked" or (
            scheme == "auto" and context and is_shorter_masked(self, _public(key).key_bits)
        ):
            context = check_context(context)
            if pool is not None:
                raise InvalidArgumentError(
                    "a masked vector takes no pool: its randomisers and its mask have one seed"
                )
            return self._encrypt_masked(
                delta, key, weight, noise, context, num_threads=num_threads, progress=progress
            )
        if pool is not None and isinstance(key, SecretKey):
            raise TypeError(
                "pool is for a public key; the key's owner encrypts without one, or with "
                "key=secret_key.public_key"
            )
        modulus = _public(key).n
        slots, report = self.quantise(delta, weight=weight, noise=noise, num_threads=num_threads)
        try:
            plaintexts = packing.pack(self, slots, modulus=modulus, num_threads=num_threads)
        finally:
            slots.fill(0)
        if isinstance(key, SecretKey):
            ciphertexts = key.encrypt(plaintexts, num_threads=num_threads, progress=progress)
        else:
            ciphertexts = key.encrypt(
                plaintexts, pool=pool, num_threads=num_threads, progress=progress
            )
        return EncryptedVector(ciphertexts, self, report=report)

    def _encrypt_masked(
        self,
        delta: ArrayLike,
        key: Key,
        weight: float,
        noise: GridNoise | None,
        context: bytes,
        *,
        num_threads: int | None,
        progress: Progress | None,
    ) -> "EncryptedVector":
        masking = Masking(self, _public(key))
        slots, report = self.quantise(delta, weight=weight, noise=noise, num_threads=num_threads)
        try:
            fresh = masking.make(slots, context=context, num_threads=num_threads, progress=progress)
        finally:
            slots.fill(0)
        masked = MaskedPart(masking.shape, context, fresh.blocks)
        secret = fresh.encrypt(masking.public_key, num_threads=num_threads)
        return EncryptedVector(secret, self, report=report, masked=masked)

    def decrypt(
        self,
        total: "EncryptedVector",
        key: SecretKey,
        *,
        num_threads: int | None = None,
        progress: Progress | None = None,
    ) -> Sum:
        """Open a sum with the secret key.

        Raises:
            InvalidArgumentError: the sum was made with another codec.
            KeyMismatchError: it is encrypted under another key.
            CapacityError: it does not fit its slots, or somebody sent what is no masked vector.
        """
        if not isinstance(key, SecretKey):
            raise TypeError(f"expected a SecretKey, got {type(key).__name__}")
        _check_same(self, key.public_key, total)
        plaintexts = key.decrypt_plaintexts(
            total.ciphertexts, num_threads=num_threads, progress=progress
        )
        if total.masked is None:
            return self.decode(
                plaintexts, key=key, num_addends=total.num_addends, num_threads=num_threads
            )
        masking = Masking(self, key.public_key, total.masked.shape)
        slots = masking.open(
            total.masked.blocks,
            masking.unpack(plaintexts, num_threads=num_threads),
            context=total.masked.context,
            num_addends=total.num_addends,
            num_threads=num_threads,
        )
        return self.dequantise(slots, num_addends=total.num_addends, num_threads=num_threads)

    def decode(
        self,
        plaintexts: Plaintexts,
        *,
        key: Key,
        num_addends: int,
        num_threads: int | None = None,
    ) -> Sum:
        """Turn decrypted plaintexts of ``num_addends`` vectors into their sum.

        Raises:
            InvalidArgumentError: not as many plaintexts as this codec has, or no addends.
            CapacityError: more addends than ``max_addends``, or a sum that does not fit its slots.
        """
        modulus = _public(key).n
        self.check_num_addends(num_addends)
        slots = packing.unpack(self, plaintexts, modulus=modulus, num_threads=num_threads)
        return self.dequantise(slots, num_addends=num_addends, num_threads=num_threads)


class EncryptedVector(Encrypted):
    """The encrypted sum of one or more vectors of one codec under one key. Immutable.

    ``v + w`` adds encrypted vectors, and so does ``sum([v, w])``; ``v == w`` says whether they are
    the same ciphertexts, of as many addends, with the same codec. Made by ``Codec.encrypt``,
    by adding, and by ``from_bytes``; pickles through its wire bytes and those of the public key.
    """

    __slots__ = ("_ciphertexts", "_codec", "_masked", "_num_addends", "_report")
    _IN_PLACE_OF_NUMPY: ClassVar = {
        "": "add encrypted vectors with v + w or sum([v, w]), and open the sum with "
        "codec.decrypt(v, key); v.to_bytes() shows its bytes",
        **dict.fromkeys(("mean", "average"), "codec.decrypt(v, key).mean() is the mean"),
        **dict.fromkeys(
            ("save", "savez", "savez_compressed", "savetxt"),
            "write v.to_bytes() to a file, which EncryptedVector.from_bytes reads",
        ),
    }

    def __init__(
        self,
        ciphertexts: Ciphertexts,
        codec: Codec,
        *,
        num_addends: int = 1,
        report: ClipReport | None = None,
        masked: MaskedPart | None = None,
    ) -> None:
        self._ciphertexts = arguments.instance("ciphertexts", ciphertexts, Ciphertexts)
        self._codec = arguments.instance("codec", codec, Codec)
        self._masked = arguments.instance("masked", masked, (MaskedPart, type(None)))
        self._num_addends = check_vector(codec, ciphertexts, num_addends, masked)
        self._report = arguments.instance("report", report, (ClipReport, type(None)))

    @property
    def ciphertexts(self) -> Ciphertexts:
        """The ciphertexts: of the packed vector, or of the secret of its mask."""
        return self._ciphertexts

    @property
    def masked(self) -> MaskedPart | None:
        """Shape, context and masked blocks; None for a packed vector."""
        return self._masked

    @property
    def scheme(self) -> Literal["packed", "masked"]:
        """How it was encrypted."""
        return "packed" if self._masked is None else "masked"

    @property
    def codec(self) -> Codec:
        """What the vector was encoded with."""
        return self._codec

    @property
    def public_key(self) -> PublicKey:
        """What the vector is encrypted under."""
        return self._ciphertexts.public_key

    @property
    def num_addends(self) -> int:
        """How many contributors' vectors it is the sum of."""
        return self._num_addends

    @property
    def report(self) -> ClipReport | None:
        """What clipping did; only on a vector that was encrypted here, and never sent along."""
        return self._report

    def __add__(self, other: object) -> "EncryptedVector":
        """The encrypted sum.

        Raises:
            InvalidArgumentError: the two have different codecs, or are masked in different ways or
                for different contexts.
            KeyMismatchError: the two are under different keys.
            CapacityError: the sum would have more than ``max_addends`` addends.
        """
        if not isinstance(other, EncryptedVector):
            return NotImplemented
        _check_same(self._codec, self.public_key, other)
        _check_same_sum(self._masked, other._masked)
        num_addends = self._num_addends + other._num_addends
        self._codec.check_num_addends(num_addends)
        if self._masked is not None:
            accumulator = Accumulator(self._codec, key=self.public_key)
            accumulator.add(self)
            accumulator.add(other)
            return accumulator.total
        total = self._ciphertexts + other._ciphertexts
        return EncryptedVector(total, self._codec, num_addends=num_addends)

    def __radd__(self, other: object) -> "EncryptedVector":
        """0 + v, so that ``sum`` works."""
        return self if isinstance(other, int) and other == 0 else NotImplemented

    def _is_same(self, other: "EncryptedVector") -> bool:
        return (
            self._codec == other._codec
            and self._num_addends == other._num_addends
            and self._ciphertexts == other._ciphertexts
            and _is_same_part(self._masked, other._masked)
        )

    def __repr__(self) -> str:
        return (
            f"<EncryptedVector: {self.scheme}, dim {self._codec.dim}, "
            f"{len(self._ciphertexts)} ciphertexts, "
            f"{self.num_addends} of {self._codec.max_addends} addends>"
        )

    def to_bytes(self) -> bytes:
        """The wire bytes: all but the report."""
        return write_vector(
            self._codec, self._ciphertexts, num_addends=self._num_addends, masked=self._masked
        )

    @staticmethod
    def from_bytes(data: BytesLike, key: Key) -> "EncryptedVector":
        """Read a vector that someone else sent, which should be under ``key``.

        Raises:
            MalformedDataError: not the wire format of docs/wire-format.md, section 3.
            KeyMismatchError: it is under a key with another modulus.
            InvalidCiphertextError: a ciphertext breaks a rule of docs/validation.md.
        """
        given = read_vector(data, _public(key), Codec)
        return EncryptedVector(
            given.ciphertexts, given.codec, num_addends=given.num_addends, masked=given.masked
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickle, (self.to_bytes(), self.public_key.to_bytes())


class Accumulator:
    """A running encrypted sum in the memory of one vector, whatever the number of addends.

    Any thread may add; a vector is added in place, in a microsecond or less a ciphertext.
    """

    def __init__(self, codec: Codec, *, key: Key) -> None:
        self._codec = arguments.instance("codec", codec, Codec)
        self._public_key = _public(key)
        self._sum: CiphertextSum | MaskedSum | None = None
        self._first: MaskedPart | None = None  # What the others must be masked like.
        self._total: EncryptedVector | None = None  # Of _sum as it is, once someone asked.
        self._lock = threading.Lock()

    def add(self, vector: EncryptedVector) -> None:
        """Add a vector, or a sum of several. An error leaves the accumulator unchanged.

        Ctrl-C leaves it as it was or with the vector added, and ``num_addends`` tells which.

        Raises:
            InvalidArgumentError: ``vector`` has another codec, or is masked in another way or for
                another context than what was added before.
            KeyMismatchError: it is under another key.
            CapacityError: the sum would have more than ``max_addends`` addends.
        """
        _check_same(self._codec, self._public_key, vector)
        with self._lock:
            self._codec.check_num_addends(self.num_addends + vector.num_addends)
            if self._sum is not None and self.num_addends > 0:
                _check_same_sum(self._first, vector.masked)
            elif vector.masked is None:
                self._sum, self._first = CiphertextSum(self._public_key), None
            else:
                masking = Masking(self._codec, self._public_key, vector.masked.shape)
                self._sum, self._first = MaskedSum(masking), vector.masked
            self._total = None
            if isinstance(self._sum, MaskedSum):
                assert vector.masked is not None  # As the first one.
                blocks = [vector.masked.blocks]
                self._sum.add(vector.ciphertexts, blocks, num_addends=vector.num_addends)
            else:
                self._sum.add(vector.ciphertexts, num_addends=vector.num_addends)

    @property
    def num_addends(self) -> int:
        """How many contributors' vectors were added so far."""
        return 0 if self._sum is None else self._sum.num_addends

    @property
    def total(self) -> EncryptedVector:
        """The sum so far; InvalidArgumentError when nothing was added."""
        with self._lock:
            if self._sum is None:
                raise InvalidArgumentError("nothing was added yet, so there is no total")
            if self._total is None:
                self._total = self._made_total(self._sum)
            return self._total

    def _made_total(self, total: CiphertextSum | MaskedSum) -> EncryptedVector:
        if isinstance(total, CiphertextSum):
            return EncryptedVector(total.total(), self._codec, num_addends=self.num_addends)
        assert self._first is not None  # It is what made the sum a masked one.
        ciphertexts, blocks = total.total()
        return EncryptedVector(
            ciphertexts,
            self._codec,
            num_addends=self.num_addends,
            masked=self._first._replace(blocks=blocks),
        )

    def __repr__(self) -> str:
        return (
            f"<Accumulator: dim {self._codec.dim}, "
            f"{self.num_addends} of {self._codec.max_addends} addends>"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        total = self.total if self.num_addends else None
        return _unpickle_accumulator, (self._codec, self._public_key, total)


def _public(key: Key) -> PublicKey:
    arguments.instance("key", key, (PublicKey, SecretKey))
    return key.public_key if isinstance(key, SecretKey) else key


def _check_same(codec: Codec, key: PublicKey, vector: EncryptedVector) -> None:
    arguments.instance("vector", vector, EncryptedVector)
    if vector.codec != codec:
        raise InvalidArgumentError(f"different codecs: {codec.difference(vector.codec)}")
    if vector.public_key.n != key.n:
        raise KeyMismatchError("the vector is encrypted under another key: its modulus differs")


def _check_same_sum(first: MaskedPart | None, other: MaskedPart | None) -> None:
    if (first is None) != (other is None):
        raise InvalidArgumentError("a packed and a masked vector cannot be added")
    if first is None or other is None:
        return
    if first.shape != other.shape:
        raise InvalidArgumentError(f"different masks: {first.shape} and {other.shape}")
    if first.context != other.context:
        raise InvalidArgumentError(
            "the vectors are masked for different contexts: all vectors of one sum are encrypted "
            "with the same context"
        )


def _is_same_part(one: MaskedPart | None, other: MaskedPart | None) -> bool:
    if one is None or other is None:
        return one is other
    return one[:2] == other[:2] and one.blocks == other.blocks


def _unpickle(data: bytes, key_bytes: bytes) -> EncryptedVector:
    return EncryptedVector.from_bytes(data, PublicKey.from_bytes(key_bytes))


def _unpickle_accumulator(
    codec: Codec, key: PublicKey, total: EncryptedVector | None
) -> Accumulator:
    accumulator = Accumulator(codec, key=key)
    if total is not None:
        accumulator.add(total)
    return accumulator
