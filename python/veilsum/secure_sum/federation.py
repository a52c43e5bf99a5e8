"""The agreement of all parties: everyone has it before the first round, not from the aggregator."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal

from veilsum import arguments
from veilsum.arguments import tuple_of
from veilsum.codec import codec_field
from veilsum.errors import InvalidArgumentError, MalformedDataError, PolicyRefusedError
from veilsum.identity import Enrolment, Identity, Role, verify
from veilsum.message import Form, Layout, Message, code, framed, rest, u32, u64
from veilsum.paillier.public_key import PublicKey
from veilsum.paillier.threshold import ThresholdKey
from veilsum.privacy import GaussianNoise, LaplaceNoise, Noise
from veilsum.privacy.wire import NOISE_FIELD
from veilsum.secure_sum.fields import HASH_BYTES, check_hash, ed25519, roster
from veilsum.vector import Codec
from veilsum.wire import BytesLike, WireKind

__all__ = ["Federation", "KeyTrust"]

KeyTrust = Literal["contributors", "authority", "threshold"]
_TRUST_CODES: dict[KeyTrust, int] = {"contributors": 0, "authority": 1, "threshold": 2}
_NO_ROUND = bytes(HASH_BYTES)
_MAX_CHUNK = 4096

FEDERATION = Form(
    WireKind.FEDERATION,
    {
        2 + has_segments: Layout(
            trust=code("trust", _TRUST_CODES, "that of the key and the holders"),
            honest_contributors=u64("at least the noise's", at_least=2),
            colluding_contributors=u64(),
            min_contributors=u64("at least the sum of the two, below"),
            chunk_size=u32(at_least=1, at_most=_MAX_CHUNK),
            codec=codec_field(Codec, has_segments=has_segments),
            noise=NOISE_FIELD,
            contributors=roster("sorted by the bytes of their names"),
            holders=roster("as the trust has it, below"),
            key=rest("threshold: of kind 10; else of kind 1", type="message"),
        )
        for has_segments in (False, True)
    },
)
"""Version 3 is for codecs that need the longer form."""


@dataclass(frozen=True, kw_only=True)
class Federation:
    """What all parties agree on. Give it to each of them over a channel that they trust.

    An aggregator that may choose any of this could choose a key that it can open, contributors that
    it invents, or less noise.

    Args:
        key: everyone encrypts under it: a ``ThresholdKey``, shared among ``holders``, or the
            ``PublicKey`` of one secret key.
        codec: everyone encodes with it; fitted to ``noise`` if there is noise.
        contributors: who may contribute, by name and signing key; kept sorted.
        holders: who holds the key. For a threshold key, all of them in the order of their shares;
            for one secret key, the one authority that has it, or nobody: then every contributor has
            it (``trust`` is ``"contributors"``).
        noise: what every contributor adds, or None for no noise. Where every contributor has the
            key, Gaussian noise must count on one honest contributor alone.
        honest_contributors: how many contributors of every opened sum the promise counts on, at
            least 2 and at least the noise's: what one of them sent hides among theirs.
        colluding_contributors: how many others may work with the aggregator.
        min_contributors: fewest contributions that are opened together; ``honest_contributors +
            colluding_contributors`` if not given, and never less.
        chunk_size: ciphertexts a chunk, 1 to 4096: what a proof covers and a holder opens at once.

    Raises:
        TypeError: an argument has another type; rosters are tuples or lists.
        InvalidArgumentError: the noise does not fit the codec or the trust, or numbers and rosters
            contradict each other.
    """

    key: PublicKey | ThresholdKey
    codec: Codec
    contributors: tuple[Enrolment, ...]
    holders: tuple[Enrolment, ...] = ()
    noise: Noise | None = None
    honest_contributors: int = 2
    colluding_contributors: int = 0
    min_contributors: int | None = None
    chunk_size: int = 512

    def __post_init__(self) -> None:
        self._check_types()
        fewest = self.honest_contributors + self.colluding_contributors
        wanted = fewest if self.min_contributors is None else self.min_contributors
        object.__setattr__(self, "min_contributors", wanted)
        self._check_numbers(fewest, wanted)
        self._check_rosters()
        self._check_noise()

    @property
    def trust(self) -> KeyTrust:
        """Who can open: any contributor, one authority, or ``threshold`` of the holders."""
        if isinstance(self.key, ThresholdKey):
            return "threshold"
        return "authority" if self.holders else "contributors"

    @property
    def public_key(self) -> PublicKey:
        """What everyone encrypts under."""
        return self.key.public_key if isinstance(self.key, ThresholdKey) else self.key

    @property
    def fewest(self) -> int:
        """``min_contributors``, given or not."""
        assert self.min_contributors is not None  # Set when it was made.
        return self.min_contributors

    @cached_property
    def num_ciphertexts(self) -> int:
        """How many ciphertexts a contribution has."""
        return self.codec.num_ciphertexts(self.public_key)

    @property
    def num_chunks(self) -> int:
        """How many chunks a contribution has."""
        return -(-self.num_ciphertexts // self.chunk_size)

    def chunk_range(self, index: int) -> range:
        """Which ciphertexts of a vector make chunk ``index``."""
        index = arguments.count("index", index, at_most=self.num_chunks - 1)
        begin = index * self.chunk_size
        return range(begin, min(begin + self.chunk_size, self.num_ciphertexts))

    def chunks_within(self, num_bytes: int, *, num_contributors: int) -> int:
        """How many chunks of so many contributors a request of about these bytes holds; 1 or more.

        For ``Aggregator.open_requests(max_chunks=...)``.
        """
        most = arguments.count("num_bytes", num_bytes)
        parts = max(1, arguments.count("num_contributors", num_contributors))
        return max(1, most // (self.chunk_size * self._element_bytes * parts))

    @property
    def max_frame_bytes(self) -> int:
        """The longest framed message that a round of this federation can have."""
        element_bytes = self._element_bytes
        # A request names everyone in its descriptor, and again with a signed header.
        names = 1024 * (len(self.contributors) + len(self.holders))
        chunk = self.chunk_size * element_bytes
        total = self.num_ciphertexts * element_bytes
        slots = 8 * (self.codec.dim + 1)
        whole = 0 if self.trust == "threshold" else max(total, slots)
        return names + 8 * self.num_chunks + max(chunk, whole) + (1 << 16)

    @property
    def _element_bytes(self) -> int:
        return 2 * (-(-self.public_key.key_bits // 8))

    def contributor(self, name: str) -> Enrolment | None:
        """The contributor of this name; None if nobody on the roster has it."""
        arguments.instance("name", name, str)
        return self._contributors.get(name)

    def holder(self, name: str) -> Enrolment | None:
        """Who may open under this name; None if nobody. Where the key is shared, a contributor."""
        arguments.instance("name", name, str)
        return self._holders.get(name)

    @cached_property
    def hash(self) -> bytes:
        """SHA-256 of the wire form: what parties compare, and what every round refers to."""
        return hashlib.sha256(self.to_bytes()).digest()

    def to_bytes(self) -> bytes:
        """The wire form (docs/wire-format.md, section 5)."""
        return FEDERATION.write(self, version=2 + self.codec.needs_segments)

    @staticmethod
    def from_bytes(data: BytesLike) -> "Federation":
        """Read an agreement; compare its ``hash`` with the other parties'.

        Raises:
            MalformedDataError: the bytes are not those of an agreement, or of one that cannot be.
            InvalidKeyError: the key breaks a rule of docs/validation.md.
        """
        values = FEDERATION.read(data)
        trust = values.pop("trust")
        key_class = ThresholdKey if trust == "threshold" else PublicKey
        values["key"] = key_class.from_bytes(values["key"])
        try:
            federation = Federation(**values)
        except InvalidArgumentError as error:
            raise MalformedDataError(f"federation: {error}") from error
        if (federation.trust, federation.contributors) != (trust, values["contributors"]):
            raise MalformedDataError("federation: its trust or the order of its roster is wrong")
        return federation

    def signed_by(self, dealer: Identity) -> bytes:
        """The file that a dealer gives to all parties: the agreement, signed."""
        arguments.instance("dealer", dealer, Identity)
        body = self.to_bytes()
        signature = dealer.sign(WireKind.FEDERATION, Role.DEALER, _NO_ROUND, body)
        return SignedFederation(dealer.enrol(), signature, body).to_bytes()

    @staticmethod
    def from_signed(
        data: BytesLike, *, expected_hash: bytes | None = None, dealer: Enrolment | None = None
    ) -> "Federation":
        """Read the dealer's file and pin it: by its hash, or by who dealt it, known out of band.

        Raises:
            TypeError: neither is given: a file alone proves nothing.
            PolicyRefusedError: the federation or its dealer is another one than expected.
            SignatureError: it is not signed by the dealer whose name is on it.
            MalformedDataError, InvalidKeyError: as ``from_bytes``.
        """
        if expected_hash is None and dealer is None:
            raise TypeError("pin the federation: give expected_hash or dealer, or both")
        if expected_hash is not None:
            check_hash("expected_hash", expected_hash)
        arguments.instance("dealer", dealer, (Enrolment, type(None)))
        signer, signature, body = _split_signed(data)
        if dealer is not None and signer != dealer:
            raise PolicyRefusedError("the federation was dealt by somebody else than expected")
        verify(signer, signature, WireKind.FEDERATION, Role.DEALER, _NO_ROUND, body)
        federation = Federation.from_bytes(body)
        if expected_hash is not None and federation.hash != expected_hash:
            raise PolicyRefusedError(
                "this is another federation than the one agreed on: its hash is "
                f"{federation.hash.hex()}"
            )
        return federation

    @staticmethod
    def dealer_named_in(data: BytesLike) -> Enrolment:
        """Who a dealer's file says has dealt it. Nothing is checked: anybody can write any name."""
        return _split_signed(data)[0]

    def __repr__(self) -> str:
        return (
            f"<Federation {self.hash[:8].hex()}: trust {self.trust}, {len(self.contributors)} "
            f"contributors, {len(self.holders)} holders, {self.codec.dim} values, "
            f"{'no noise' if self.noise is None else type(self.noise).__name__}>"
        )

    @cached_property
    def _contributors(self) -> dict[str, Enrolment]:
        return {party.name: party for party in self.contributors}

    @cached_property
    def _holders(self) -> dict[str, Enrolment]:
        return {party.name: party for party in self.holders or self.contributors}

    def _check_types(self) -> None:
        """That every field is of its type; sequences become tuples, numpy's integers Python's."""
        arguments.instance("key", self.key, (PublicKey, ThresholdKey))
        arguments.instance("codec", self.codec, Codec)
        arguments.instance("noise", self.noise, (GaussianNoise, LaplaceNoise, type(None)))
        contributors = tuple_of("contributors", self.contributors, Enrolment)
        found: dict[str, object] = {
            "contributors": tuple(sorted(contributors, key=lambda party: party.name)),
            "holders": tuple_of("holders", self.holders, Enrolment),
        }
        for name in ("honest_contributors", "colluding_contributors"):
            found[name] = arguments.count(name, getattr(self, name))
        if self.min_contributors is not None:
            name = "min_contributors"
            found[name] = arguments.count(name, self.min_contributors, at_least=1)
        name = "chunk_size"
        found[name] = arguments.count(name, self.chunk_size, at_least=1, at_most=_MAX_CHUNK)
        for name, value in found.items():
            object.__setattr__(self, name, value)

    def _check_numbers(self, fewest: int, wanted: int) -> None:
        if self.honest_contributors < 2:
            raise InvalidArgumentError(
                f"honest_contributors is {self.honest_contributors}; it must be at least 2, since "
                "a sum hides one contribution among others"
            )
        most = min(self.codec.max_addends, len(self.contributors))
        if fewest > most:
            raise InvalidArgumentError(
                f"honest_contributors + colluding_contributors is {fewest}, and a sum has at most "
                f"{most}: there are {len(self.contributors)} contributors on the roster, and the "
                f"codec's max_addends is {self.codec.max_addends}"
            )
        if not fewest <= wanted <= most:
            raise InvalidArgumentError(
                f"min_contributors is {wanted}; it must be at least {fewest} "
                "(honest_contributors + colluding_contributors), and at most the codec's "
                f"max_addends, {self.codec.max_addends}, and the {len(self.contributors)} "
                "contributors on the roster"
            )

    def _check_noise(self) -> None:
        noise = self.noise
        if noise is None:
            return
        noise.check_fits(self.codec)
        if self.honest_contributors < noise.honest_contributors:
            raise InvalidArgumentError(
                f"honest_contributors is {self.honest_contributors}, and the noise counts on "
                f"{noise.honest_contributors}; it must be at least as many"
            )
        if self.trust == "contributors" and noise.honest_contributors > 1:
            raise InvalidArgumentError(
                "every contributor has the whole key here (the trust is 'contributors'), and "
                "can open a single contribution, which carries only a share of noise that counts "
                f"on {noise.honest_contributors} honest contributors. Make the noise with "
                "honest_contributors=1, take LaplaceNoise, or name holders of the key"
            )

    def _check_rosters(self) -> None:
        for parameter in ("contributors", "holders"):
            roster = getattr(self, parameter)
            names = {party.name for party in roster}
            keys = {party.public_key for party in roster}
            if not len(names) == len(keys) == len(roster):
                raise InvalidArgumentError(f"{parameter} has a name or a signing key twice")
        if isinstance(self.key, ThresholdKey):
            if len(self.holders) != self.key.num_holders:
                raise InvalidArgumentError(
                    f"the key is shared among {self.key.num_holders} holders, and "
                    f"{len(self.holders)} are on the roster"
                )
        elif len(self.holders) > 1:
            raise InvalidArgumentError(
                "one secret key has one holder; share it with deal_shares for several"
            )
        names = {party.name for party in self.contributors}
        keys = {party.public_key for party in self.contributors}
        if self.trust == "authority" and (
            self.holders[0].name in names or self.holders[0].public_key in keys
        ):
            raise InvalidArgumentError("an authority has no data: it must not be a contributor")


@dataclass(frozen=True)
class SignedFederation(Message, kind=WireKind.SIGNED_FEDERATION, version=1):
    """A dealer's file; nothing of it is checked."""

    dealer: Annotated[Enrolment, framed(Enrolment)]
    signature: Annotated[bytes, ed25519("section 7, of kind 5 and role 3, over the federation")]
    federation: Annotated[bytes, rest("of kind 5", type="message")]


def _split_signed(data: BytesLike) -> tuple[Enrolment, bytes, bytes]:
    """Dealer, signature and agreement of a dealer's file, unchecked."""
    file = SignedFederation.from_bytes(data)
    return file.dealer, file.signature, file.federation
