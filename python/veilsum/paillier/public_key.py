"""Public keys, which encrypt, and randomisers made ahead for them."""

from __future__ import annotations

import os
from typing import Any, NoReturn

from veilsum import _core, arguments
from veilsum.durable import read_file, write_file
from veilsum.errors import InvalidKeyError
from veilsum.paillier.ciphertexts import Ciphertexts
from veilsum.paillier.float_operands import FloatLike, quantised
from veilsum.paillier.floats import EncryptedFloats
from veilsum.paillier.plaintexts import PlaintextLike, to_plaintexts
from veilsum.paillier.proofs import PlaintextProof
from veilsum.system import Progress, thread_count, watcher
from veilsum.wire import BytesLike, as_bytes

__all__ = ["PublicKey", "RandomiserPool"]

_MAX_FILE_BYTES = 1 << 12


class PublicKey:
    """The public half of a Paillier key: encrypts, and cannot decrypt. Safe to share and pickle."""

    __slots__ = ("_native",)

    def __init__(self, native: _core.PublicKey) -> None:
        if not isinstance(native, _core.PublicKey):
            raise TypeError("make a PublicKey with from_bytes, from_modulus or generate_key")
        self._native = native

    @property
    def n(self) -> int:
        """The modulus."""
        return self._native.n

    @property
    def key_bits(self) -> int:
        """The size of the modulus in bits."""
        return self._native.key_bits

    @property
    def fingerprint(self) -> bytes:
        """32 bytes that name the key: SHAKE256 of its wire form."""
        return self._native.fingerprint

    def to_bytes(self) -> bytes:
        """The wire form (docs/wire-format.md)."""
        return self._native.to_bytes()

    @classmethod
    def from_bytes(cls, data: BytesLike) -> PublicKey:
        """Read a key that someone else sent. Make sure that it is theirs: compare fingerprints.

        Raises:
            MalformedDataError: not the wire format.
            InvalidKeyError: names the rule of docs/validation.md that failed.
        """
        return cls(_core.PublicKey.from_bytes(as_bytes(data)))

    @classmethod
    def from_modulus(cls, n: int, g: int | None = None) -> PublicKey:
        """A key of another library, known by its modulus only (docs/interop.md).

        Encryption then uses classic randomisers r**n, which are slower than ours: nothing is known
        of the primes. Ciphertexts under this key, and under the form of it that its owner has, go
        together; ``==`` and fingerprints tell the forms apart.

        Args:
            n: the modulus.
            g: the generator, if the other library has one; it must be ``n + 1``.

        Raises:
            InvalidKeyError: even, or not of 2047 to 16384 bits, or another generator.
        """
        modulus = arguments.integer("n", n)
        if g is not None and arguments.integer("g", g) != modulus + 1:
            raise InvalidKeyError(
                "PK6: g is not n + 1; ciphertexts under another generator hold other numbers than "
                "this library would decrypt"
            )
        return cls(_core.PublicKey.from_modulus(modulus))

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the wire form to a file, which everybody may read. ``veilsum keygen`` does too.

        Raises:
            FileExistsError: there is something already, and ``overwrite`` is False.
        """
        write_file(
            arguments.path("path", path),
            [self.to_bytes()],
            overwrite=arguments.flag("overwrite", overwrite),
            private=False,
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> PublicKey:
        """Read a file that :meth:`save` or ``veilsum keygen`` wrote. Compare fingerprints.

        Raises:
            MalformedDataError, InvalidKeyError: as :meth:`from_bytes`.
            OSError: it cannot be read.
        """
        where = arguments.path("path", path)
        return cls.from_bytes(read_file(where, max_bytes=_MAX_FILE_BYTES, what="a public key file"))

    def encrypt(
        self,
        values: PlaintextLike | _core.Plaintexts,
        *,
        pool: RandomiserPool | None = None,
        num_threads: int | None = None,
        progress: Progress | None = None,
    ) -> Ciphertexts:
        """Encrypt integers in ``(-n/2, n/2)``.

        Args:
            values: an int, a list or nested list of ints, or an integer array; one or two
                dimensions. A single int gives a batch of one.
            pool: randomisers from :meth:`precompute`; encryption then costs next to nothing.
            num_threads: default: all processors, or ``VEILSUM_NUM_THREADS``.
            progress: called as ``progress(done, total)`` about ten times a second.

        Raises:
            TypeError: floats, bools, masked arrays or anything that is not an integer.
            InvalidArgumentError: a value out of range, or more than two dimensions.
            KeyMismatchError, PoolExhaustedError: the pool belongs to another key, or is used up.
        """
        native_pool = _native_pool(pool)
        plaintexts, shape = to_plaintexts(values)
        native = self._native.encrypt(
            plaintexts, shape or (1,), native_pool, thread_count(num_threads), watcher(progress)
        )
        return Ciphertexts(native, self)

    def encrypt_floats(
        self,
        values: FloatLike,
        *,
        precision: float = 1e-9,
        bound: float = 2.0**64,
        pool: RandomiserPool | None = None,
        num_threads: int | None = None,
        progress: Progress | None = None,
    ) -> EncryptedFloats:
        """Encrypt floats, each rounded to the nearest multiple of a unit.

        Args:
            values: a number, a list or nested list of numbers, or an array of integers or floats up
                to float64; one or two dimensions. A single number gives a batch of one.
            precision: the unit, rounded down to a power of two. No value is off by more than half
                of it. Public.
            bound: the largest magnitude that a value may have. Public: do not take it from the
                values.
            pool: randomisers from :meth:`precompute`; encryption then costs next to nothing.
            num_threads: default: all processors, or ``VEILSUM_NUM_THREADS``.
            progress: called as ``progress(done, total)`` about ten times a second.

        Raises:
            TypeError: bools, complex numbers, long doubles, masked arrays, or no numbers.
            InvalidArgumentError: a value that is not finite or above the bound, integers beyond
                2**53, more than two dimensions, or a precision or bound that is not above 0.
            CapacityError: the key has no room for the bound in such a unit.
            KeyMismatchError, PoolExhaustedError: the pool belongs to another key, or is used up.
        """
        numbers, scale = quantised(values, precision=precision, bound=bound)
        scale.within(self.n)
        ciphertexts = self.encrypt(numbers, pool=pool, num_threads=num_threads, progress=progress)
        return EncryptedFloats(ciphertexts, scale)

    def encrypt_and_prove(
        self,
        values: PlaintextLike | _core.Plaintexts,
        *,
        context: BytesLike,
        first: int = 0,
        chunk: int = 512,
        pool: RandomiserPool | None = None,
        num_threads: int | None = None,
        progress: Progress | None = None,
    ) -> tuple[Ciphertexts, PlaintextProof]:
        """Encrypt, and prove that whoever did it knows the plaintexts.

        Args:
            values: as for :meth:`encrypt`, at least one.
            context: what the proof is for, such as a round and a contributor. Whoever checks it
                must say the same.
            first: the position of the first value in a larger batch that goes out in pieces.
            chunk: how many ciphertexts share a proof, up to 2**20.
            pool: randomisers from :meth:`precompute` with ``for_proofs``.
            num_threads: default: all processors, or ``VEILSUM_NUM_THREADS``.
            progress: called as ``progress(done, total)`` about ten times a second.

        Raises:
            InvalidArgumentError: as :meth:`encrypt`; nothing to encrypt, a position below 0, a
                chunk that is not from 1 to 2**20, or a pool that is not for proofs.
            TypeError, KeyMismatchError, PoolExhaustedError: as :meth:`encrypt`.
        """
        return encrypt_and_prove(
            self,
            values,
            context=context,
            first=first,
            chunk=chunk,
            pool=pool,
            num_threads=num_threads,
            progress=progress,
        )

    def precompute(
        self,
        count: int,
        *,
        for_proofs: bool = False,
        num_threads: int | None = None,
        progress: Progress | None = None,
    ) -> RandomiserPool:
        """Make randomisers ahead of time, for ``encrypt(..., pool=...)``.

        Args:
            count: how many. Each takes as much memory as a ciphertext.
            for_proofs: also keep their witnesses, what they are made of, which
                ``encrypt_and_prove`` needs: a quarter more memory, or half for keys of other
                libraries.
            num_threads: default: all processors, or ``VEILSUM_NUM_THREADS``.
            progress: called as ``progress(done, total)`` about ten times a second.

        Raises:
            InvalidArgumentError: a count below 1 or above 2**40.
            MemoryError: more than there is memory for.
        """
        native = _core.RandomiserPool(
            self._native,
            arguments.count("count", count, at_least=1, at_most=1 << 40),
            arguments.flag("for_proofs", for_proofs),
            thread_count(num_threads),
            watcher(progress),
        )
        return RandomiserPool(native)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PublicKey):
            return NotImplemented
        return self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        return f"<PublicKey: {self.key_bits} bits, {self.fingerprint.hex()[:16]}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return PublicKey.from_bytes, (self.to_bytes(),)


def _native_pool(pool: RandomiserPool | None) -> _core.RandomiserPool | None:
    if pool is None:
        return None
    return arguments.instance("pool", pool, RandomiserPool)._native


class RandomiserPool:
    """Randomisers made ahead of time; each is used once. ``len`` tells how many are left.

    A pool works in the process that made it only, and cannot be copied, pickled or saved: a
    randomiser used twice would reveal the difference of two plaintexts.
    """

    __slots__ = ("_native",)

    def __init__(self, native: _core.RandomiserPool) -> None:
        if not isinstance(native, _core.RandomiserPool):
            raise TypeError("make a RandomiserPool with PublicKey.precompute")
        self._native = native

    def __len__(self) -> int:
        return self._native.remaining

    def __bool__(self) -> bool:
        return True  # An empty pool is still a pool: `if pool` must not mean "without one".

    def __repr__(self) -> str:
        return f"<RandomiserPool: {len(self)} left>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a randomiser pool cannot be pickled or copied: each is used once")


def encrypt_and_prove(
    key: PublicKey,
    values: PlaintextLike | _core.Plaintexts,
    *,
    context: BytesLike,
    first: int = 0,
    chunk: int = 512,
    pool: RandomiserPool | None = None,
    seed: _core.HedgedSeed | None = None,
    num_threads: int | None = None,
    progress: Progress | None = None,
) -> tuple[Ciphertexts, PlaintextProof]:
    """As the method, or with randomisers from a seed where there is no pool."""
    native_pool = _native_pool(pool)
    first = arguments.count("first", first)
    chunk = arguments.count("chunk", chunk)
    plaintexts, shape = to_plaintexts(values)
    ciphertexts, proof = _core.encrypt_and_prove(
        key._native,
        plaintexts,
        shape or (1,),
        native_pool,
        as_bytes(context, "context"),
        first,
        chunk,
        thread_count(num_threads),
        watcher(progress),
        seed,
    )
    return Ciphertexts(ciphertexts, key), PlaintextProof(proof)
