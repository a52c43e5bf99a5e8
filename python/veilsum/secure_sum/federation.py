"""The agreement of all parties: everyone has it before the first round, not from the aggregator."""

import hashlib
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import date, datetime, timezone
from functools import cached_property
from itertools import product
from typing import Annotated, Any

from veilsum import arguments
from veilsum.codec import codec_field
from veilsum.errors import (
    InvalidArgumentError,
    MalformedDataError,
    PolicyRefusedError,
)
from veilsum.identity import Enrolment, Identity, Role, verify
from veilsum.message import (
    Form,
    Layout,
    Message,
    code,
    framed,
    inner,
    rest,
    short_bytes,
    u32,
    u64,
)
from veilsum.paillier.public_key import PublicKey
from veilsum.privacy.wire import NOISE_FIELD
from veilsum.schemes import (
    SCHEMES,
    AnyKey,
    Scheme,
    check_key,
    policy_of,
    public_key_of,
    read_key,
)
from veilsum.secure_sum.agreement import (
    MAX_CHUNK,
    RUN_ID,
    Agreement,
    KeyTrust,
    SameModel,
    Terms,
)
from veilsum.secure_sum.fields import DAY, HASH_BYTES, check_hash, ed25519, roster
from veilsum.vector import Codec
from veilsum.wire import BytesLike, WireKind

__all__ = ["Federation", "KeyTrust"]

_TRUST_CODES: dict[KeyTrust, int] = {"contributors": 0, "authority": 1, "threshold": 2}
_SAME_MODEL_CODES: dict[SameModel, int] = {"refuse": 0, "allow": 1}
_NO_ROUND = bytes(HASH_BYTES)
_SCHEME_SHIFT = 4  # Trust and scheme share a byte.
_TERMS = tuple(each.name for each in fields(Terms))


class _Codes(Mapping[tuple[KeyTrust, str], int]):
    """Of each trust with each scheme that there is."""

    def __getitem__(self, key: tuple[KeyTrust, str]) -> int:
        trust, scheme = key
        return _TRUST_CODES[trust] | SCHEMES[scheme].code << _SCHEME_SHIFT

    def __iter__(self) -> Iterator[tuple[KeyTrust, str]]:
        return product(_TRUST_CODES, SCHEMES)

    def __len__(self) -> int:
        return len(_TRUST_CODES) * len(SCHEMES)


FEDERATION = Form(
    WireKind.FEDERATION,
    {
        4 + has_segments: Layout(
            trust_and_scheme=code(
                "trust or scheme", _Codes(), "as the key and the holders have it"
            ),
            honest_contributors=u64("at least the noise's", at_least=2),
            colluding_contributors=u64(),
            min_contributors=u64("at least the sum of the two, below"),
            chunk_size=u32(at_least=1, at_most=MAX_CHUNK),
            same_model=code("answer to the same model", _SAME_MODEL_CODES),
            max_repeats=u32(),
            serial=u64(at_least=1),
            last_day=DAY,
            run_id=RUN_ID,
            aggregator=inner(Enrolment),
            codec=codec_field(Codec, has_segments=has_segments),
            noise=NOISE_FIELD,
            contributors=roster("sorted by the bytes of their names"),
            holders=roster("as the trust has it, below"),
            scheme_parameters=short_bytes("packed: none; masked: the shape, below"),
            key=rest("threshold: of kind 10; else of kind 1", type="message"),
        )
        for has_segments in (False, True)
    },
)
"""Version 5 is for codecs that need the longer form."""


@dataclass(frozen=True, kw_only=True)
class Federation(Terms):
    """What all parties agree on. Give it to each of them over a channel that they trust.

    An aggregator that may choose any of this could choose a key that it can open, contributors that
    it invents, or less noise.

    Args:
        key: everyone encrypts under it: a ``ThresholdKey``, shared among ``holders``, or the
            ``PublicKey`` of one secret key.
        codec: everyone encodes with it; fitted to ``noise`` if there is noise.
        aggregator: who announces rounds; nothing else is answered. Neither a contributor nor a
            holder, by name or key.
        run_id: 16 random bytes that name the run: a federation has one.
        last_day: after it parties answer nothing, each by the clock of its own machine (UTC).
        serial: from 1; counts what the dealer signs for these parties. Whoever has pinned one
            refuses a lower one.
        contributors: who may contribute, by name and signing key; kept sorted.
        holders: who holds the key. For a threshold key, all of them in the order of their shares;
            for one secret key, the one authority that has it, or nobody: then every contributor has
            it (``trust`` is ``"contributors"``).
        noise: what every contributor adds, or None for no noise. Where every contributor has the
            key, Gaussian noise must count on one honest contributor alone.
        honest_contributors: how many contributors of every opened sum the promise counts on, at
            least 2 and at least the noise's: what one of them sent hides among theirs.
        colluding_contributors: how many others may work with the aggregator. Nobody but the dealer
            can know, so there is no default.
        min_contributors: fewest contributions that are opened together; ``honest_contributors +
            colluding_contributors`` if not given, and never less.
        chunk_size: ciphertexts a chunk, 1 to 4096: what a proof covers and a holder opens at once.
        same_model: whether two sums of one model, for one purpose, may be opened without noise if
            others contributed: two such sums differ by who did. ``"refuse"`` keeps an aggregator
            from doing it by accident, and no more: a model that differs by one bit is another.
        max_repeats: how many times one model may be announced again where it was opened before, as
            after a void round; each counts as another model (``RoundDescriptor.repeat``). Where the
            same model is allowed, or noise is agreed on, nothing is counted.
        scheme: how contributions travel. ``"packed"``: Paillier all the way, for shared keys;
            ``"masked"``: a lattice mask, and only its short secret under Paillier; ``"auto"``: what
            is shorter under a shared key, else masked.
        scheme_parameters: of the scheme, found by its rule if not given; for ``"masked"`` the shape
            of the mask (``veilsum.schemes.masking.MaskShape``), a byte for each number.

    Raises:
        TypeError: an argument has another type; rosters are tuples or lists.
        InvalidArgumentError: the noise does not fit the codec or the trust, or numbers and rosters
            contradict each other.
    """

    key: AnyKey

    def __post_init__(self) -> None:
        for name in _TERMS:
            object.__setattr__(self, name, getattr(self.agreement, name))

    @classmethod
    def of(cls, agreement: Agreement, key: AnyKey) -> "Federation":
        """The agreement under its key.

        Raises:
            InvalidArgumentError: the key has another size or policy than agreed.
        """
        arguments.instance("agreement", agreement, Agreement)
        federation = cls(key=key, **{name: getattr(agreement, name) for name in _TERMS})
        if federation.agreement != agreement:
            raise InvalidArgumentError("the key has another size or policy than was agreed on")
        return federation

    @cached_property
    def agreement(self) -> Agreement:
        """All of it but the key."""
        key = check_key("key", self.key)
        return Agreement(
            key_bits=public_key_of(key).key_bits,
            policy=policy_of(key),
            **{name: getattr(self, name) for name in _TERMS},
        )

    @cached_property
    def bodies(self) -> Scheme[Any, Any]:
        """The scheme, with this key and codec: makes what contributors send, adds it, opens sums.

        Nobody asks which scheme or key it has.
        """
        return SCHEMES[self.scheme].make(
            self.key,
            self.codec,
            chunk_size=self.chunk_size,
            holders=[party.name for party in self.openers],
            parameters=self.scheme_parameters,
        )

    @property
    def trust(self) -> KeyTrust:
        """Who can open: any contributor, one authority, or ``threshold`` of the holders."""
        return self.agreement.trust

    @property
    def names_opener(self) -> bool:
        """Whether each round names the one who opens it: where every contributor has the key."""
        return self.trust == "contributors"

    @property
    def trust_and_scheme(self) -> tuple[KeyTrust, str]:
        """Both, as they share a byte of the wire form."""
        return self.trust, self.scheme

    @property
    def public_key(self) -> PublicKey:
        """What everyone encrypts under."""
        return public_key_of(self.key)

    @property
    def openers(self) -> tuple[Enrolment, ...]:
        """Who has the key or a share of it; ``bodies.num_answers`` of them open a sum."""
        return self.agreement.openers

    @property
    def fewest(self) -> int:
        """``min_contributors``, given or not."""
        return self.agreement.fewest

    @property
    def num_chunks(self) -> int:
        """How many chunks a contribution has."""
        return self.bodies.num_chunks

    @property
    def num_opened(self) -> int:
        """How many of the chunks, the first ones, holders open; the others are only added."""
        return self.bodies.num_opened

    @property
    def num_locks(self) -> int:
        """How many holders must lock a set before any of them opens it.

        None where one party has the whole key: its own record is the lock.
        """
        return 0 if self.agreement.policy is None else self.bodies.num_answers

    @property
    def refuses_same_model(self) -> bool:
        """Whether holders open one set of names for a model and purpose."""
        return self.same_model == "refuse" and self.noise is None

    def chunks_within(self, num_bytes: int, *, num_contributors: int) -> int:
        """How many chunks of so many contributors a request of about these bytes holds; 1 or more.

        For ``Aggregator.open_requests(max_chunks=...)``.
        """
        most = arguments.count("num_bytes", num_bytes)
        parts = max(1, arguments.count("num_contributors", num_contributors))
        return max(1, most // (self.bodies.max_chunk_bytes * parts))

    @property
    def max_frame_bytes(self) -> int:
        """The longest framed message that a round of this federation can have."""
        # A request has everyone's name, relay and signed root, and the locks of holders.
        parties = 640 * len(self.contributors) + 512 * len(self.holders)
        return parties + 8 * self.num_chunks + self.bodies.max_chunk_bytes + (1 << 16)

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
        return FEDERATION.write(self, version=4 + self.codec.needs_segments)

    @staticmethod
    def from_bytes(data: BytesLike) -> "Federation":
        """Read an agreement; compare its ``hash`` with the other parties'.

        Raises:
            MalformedDataError: the bytes are not those of an agreement, or of one that cannot be.
            InvalidKeyError: the key breaks a rule of docs/validation.md.
        """
        values = FEDERATION.read(data)
        trust, scheme = values.pop("trust_and_scheme")
        values["key"] = read_key(values["key"])
        try:
            federation = Federation(**values, scheme=scheme)
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

    def renewed(self, *, last_day: date, aggregator: Enrolment | None = None) -> "Federation":
        """The same agreement for another run, with the next serial number.

        Args:
            last_day: of the new run.
            aggregator: of the new run, where it is another one.
        """
        return replace(
            self,
            serial=self.serial + 1,
            run_id=secrets.token_bytes(len(self.run_id)),
            last_day=last_day,
            aggregator=self.aggregator if aggregator is None else aggregator,
        )

    def is_renewal_of(self, other: "Federation") -> bool:
        """Whether all but serial number, run, last day and aggregator are those of ``other``."""
        arguments.instance("other", other, Federation)
        own = {"serial", "run_id", "last_day", "aggregator"}
        return replace(self, **{name: getattr(other, name) for name in own}) == other

    def check_day(self) -> None:
        """PolicyRefusedError after ``last_day``, by the clock of this machine (UTC)."""
        today = datetime.now(timezone.utc).date()
        if today > self.last_day:
            raise PolicyRefusedError(
                f"the federation's last day was {self.last_day}, and it is {today} by the clock of "
                "this machine. Ask the dealer to renew it: veilsum deal --renew"
            )

    @staticmethod
    def from_signed(
        data: BytesLike,
        *,
        expected_hash: bytes | None = None,
        dealer: Enrolment | None = None,
        pinned_serial: int = 0,
    ) -> "Federation":
        """Read the dealer's file and pin it: by its hash, or by who dealt it, known out of band.

        Args:
            data: the file.
            expected_hash: of the federation, as its dealer told it.
            dealer: who dealt it.
            pinned_serial: the serial number of what was pinned before; a lower one is refused.

        Raises:
            TypeError: neither hash nor dealer is given: a file alone proves nothing.
            PolicyRefusedError: the federation or its dealer is another one than expected, or the
                federation is older than the one that was pinned.
            SignatureError: it is not signed by the dealer whose name is on it.
            MalformedDataError, InvalidKeyError: as ``from_bytes``.
        """
        if expected_hash is None and dealer is None:
            raise TypeError("pin the federation: give expected_hash or dealer, or both")
        if expected_hash is not None:
            check_hash("expected_hash", expected_hash)
        arguments.instance("dealer", dealer, (Enrolment, type(None)))
        arguments.count("pinned_serial", pinned_serial)
        file = SignedFederation.from_bytes(data)
        if dealer is not None and file.dealer != dealer:
            raise PolicyRefusedError("the federation was dealt by somebody else than expected")
        body = file.federation
        verify(file.dealer, file.signature, WireKind.FEDERATION, Role.DEALER, _NO_ROUND, body)
        federation = Federation.from_bytes(body)
        if expected_hash is not None and federation.hash != expected_hash:
            raise PolicyRefusedError(
                "this is another federation than the one agreed on: its hash is "
                f"{federation.hash.hex()}"
            )
        if federation.serial < pinned_serial:
            raise PolicyRefusedError(
                f"the federation has the serial number {federation.serial}, and one with "
                f"{pinned_serial} was pinned before: this is an older agreement. Ask the dealer "
                "for the newest"
            )
        return federation

    @staticmethod
    def dealer_named_in(data: BytesLike) -> Enrolment:
        """Who a dealer's file says has dealt it. Nothing is checked: anybody can write any name."""
        return SignedFederation.from_bytes(data).dealer

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
        return {party.name: party for party in self.openers}


@dataclass(frozen=True)
class SignedFederation(Message, kind=WireKind.SIGNED_FEDERATION, version=2):
    """A dealer's file; nothing of it is checked."""

    dealer: Annotated[Enrolment, framed(Enrolment)]
    signature: Annotated[bytes, ed25519("section 7, of kind 5 and role 3, over the federation")]
    federation: Annotated[bytes, rest("of kind 5", type="message")]
