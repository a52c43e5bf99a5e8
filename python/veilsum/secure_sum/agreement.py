"""What the parties of a federation agree on before there is a key."""

from collections import Counter
from dataclasses import dataclass
from datetime import date
from typing import Literal, get_args

from veilsum import arguments
from veilsum.arguments import tuple_of
from veilsum.errors import InvalidArgumentError
from veilsum.identity import Enrolment
from veilsum.message import fixed
from veilsum.privacy import AgreedNoise, GaussianNoise, LaplaceNoise, RecordNoise
from veilsum.schemes import SCHEMES, Policy, choose
from veilsum.secure_sum.fields import MAX_U32
from veilsum.vector import Codec

__all__ = [
    "MAX_CHUNK",
    "RUN_ID",
    "Agreement",
    "KeyTrust",
    "SameModel",
    "Terms",
    "usual_holders",
]

KeyTrust = Literal["contributors", "authority", "threshold"]
SameModel = Literal["refuse", "allow"]

# The default of docs/protocol.md: one holder may be missing, and two may collude.
_USUAL_POLICY = Policy(num_holders=5, threshold=4, max_colluding=2)
MAX_CHUNK = 4096
RUN_ID = fixed(16, "random", what="secrets.token_bytes(16)")


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What an agreement and a federation have in common; ``Federation`` explains each."""

    codec: Codec
    aggregator: Enrolment
    run_id: bytes
    last_day: date
    serial: int = 1
    contributors: tuple[Enrolment, ...]
    holders: tuple[Enrolment, ...] = ()
    relays: tuple[Enrolment, ...] = ()
    noise: AgreedNoise | None = None
    honest_contributors: int = 2
    colluding_contributors: int
    min_contributors: int | None = None
    chunk_size: int = 512
    same_model: SameModel = "refuse"
    max_repeats: int = 1000
    scheme: str = "auto"
    scheme_parameters: bytes = b""


@dataclass(frozen=True, kw_only=True)
class Agreement(Terms):
    """All of a federation but its key.

    Args beside those of ``Federation``:
        key_bits: of the key to come.
        policy: how the key is shared among ``holders``; None for a key that is held whole.

    Raises:
        TypeError, InvalidArgumentError: as ``Federation``.
    """

    key_bits: int
    policy: Policy | None = None

    def __post_init__(self) -> None:
        self._check_types()
        fewest = self.honest_contributors + self.colluding_contributors
        wanted = fewest if self.min_contributors is None else self.min_contributors
        object.__setattr__(self, "min_contributors", wanted)
        self._check_numbers(fewest, wanted)
        self._check_rosters()
        self._check_holders()
        self._check_aggregator()
        self._check_relays()
        self._check_noise()
        self._settle_scheme()

    @property
    def trust(self) -> KeyTrust:
        """Who can open: any contributor, one authority, or ``threshold`` of the holders."""
        if self.policy is not None:
            return "threshold"
        return "authority" if self.holders else "contributors"

    @property
    def fewest(self) -> int:
        """``min_contributors``, given or not."""
        assert self.min_contributors is not None  # Set when it was made.
        return self.min_contributors

    @property
    def openers(self) -> tuple[Enrolment, ...]:
        """Who has the key or a share of it."""
        return self.holders or self.contributors

    @property
    def who_opens(self) -> str:
        """For people: who can open what."""
        if self.policy is not None:
            return f"any {self.policy.threshold} of {self.policy.num_holders} holders, sums only"
        who = "one holder" if self.holders else "every contributor"
        return f"{who}, sums only; together with the aggregator, single contributions too"

    def _check_types(self) -> None:
        """That every field is of its type; sequences become tuples, numpy's integers Python's."""
        arguments.choice("scheme", self.scheme, ("auto", *SCHEMES))
        arguments.instance("scheme_parameters", self.scheme_parameters, bytes)
        arguments.choice("same_model", self.same_model, get_args(SameModel))
        arguments.instance("policy", self.policy, (Policy, type(None)))
        arguments.instance("codec", self.codec, Codec)
        arguments.instance("aggregator", self.aggregator, Enrolment)
        RUN_ID.check("run_id", self.run_id)
        kinds = (GaussianNoise, LaplaceNoise, RecordNoise, type(None))
        arguments.instance("noise", self.noise, kinds)
        found: dict[str, object] = {
            "contributors": _sorted("contributors", self.contributors),
            "relays": _sorted("relays", self.relays),
            "holders": tuple_of("holders", self.holders, Enrolment),
            "last_day": arguments.day("last_day", self.last_day),
            "serial": arguments.count("serial", self.serial, at_least=1),
        }
        for name in ("key_bits", "honest_contributors", "colluding_contributors"):
            found[name] = arguments.count(name, getattr(self, name))
        if self.min_contributors is not None:
            name = "min_contributors"
            found[name] = arguments.count(name, self.min_contributors, at_least=1)
        name = "chunk_size"
        found[name] = arguments.count(name, self.chunk_size, at_least=1, at_most=MAX_CHUNK)
        name = "max_repeats"
        found[name] = arguments.count(name, self.max_repeats, at_most=MAX_U32)
        for name, value in found.items():
            object.__setattr__(self, name, value)

    def _settle_scheme(self) -> None:
        """The scheme by its name, with its parameters: what all parties go by."""
        scheme = choose(
            self.scheme, self.codec, key_bits=self.key_bits, is_shared=self.policy is not None
        )
        parameters = SCHEMES[scheme].settle(self.codec, self.scheme_parameters)
        if self.relays and not SCHEMES[scheme].hides_single:
            raise InvalidArgumentError(
                f"there are relays, and the scheme is {scheme!r}, in which a contribution has "
                "nothing that they could add: whoever opens is given all of it. Take "
                "scheme='masked', or no relays"
            )
        object.__setattr__(self, "scheme", scheme)
        object.__setattr__(self, "scheme_parameters", parameters)

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

    def _check_rosters(self) -> None:
        for parameter in ("contributors", "holders", "relays"):
            roster = getattr(self, parameter)
            counts = Counter(party.name for party in roster)
            doubled = sorted(name for name, count in counts.items() if count > 1)
            if doubled:
                names = ", ".join(arguments.text_of(name) for name in doubled)
                raise InvalidArgumentError(f"{parameter}: somebody is enrolled twice: {names}")
            if len({party.public_key for party in roster}) < len(roster):
                raise InvalidArgumentError(f"{parameter}: a signing key is enrolled twice")

    def _check_holders(self) -> None:
        if self.policy is not None and len(self.holders) != self.policy.num_holders:
            raise InvalidArgumentError(
                f"the key is shared among {self.policy.num_holders} holders, and "
                f"{len(self.holders)} are on the roster"
            )
        if self.policy is None and len(self.holders) > 1:
            raise InvalidArgumentError(
                "one secret key has one holder; share it with deal_shares for several"
            )
        if self.trust != "authority":
            return
        names = {party.name for party in self.contributors}
        keys = {party.public_key for party in self.contributors}
        if self.holders[0].name in names or self.holders[0].public_key in keys:
            raise InvalidArgumentError("an authority has no data: it must not be a contributor")

    def _check_aggregator(self) -> None:
        """Whoever adds up what others send neither sends nor opens, under whatever name."""
        for parameter in ("contributors", "holders"):
            if what := _found_in(getattr(self, parameter), self.aggregator):
                raise InvalidArgumentError(
                    f"aggregator has {what}, who is among the {parameter}; the aggregator signs "
                    "with an identity of its own and holds no key"
                )

    def _check_relays(self) -> None:
        """The same holds for those who add a part of it."""
        others = {
            "among the contributors": self.contributors,
            "among the holders": self.holders,
            "the aggregator": (self.aggregator,),
        }
        for relay in self.relays:
            for where, parties in others.items():
                if what := _found_in(parties, relay):
                    raise InvalidArgumentError(
                        f"relays: {arguments.text_of(relay.name)} has {what}, who is {where}; a "
                        "relay signs with an identity of its own, sends no data and holds no key"
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


def _sorted(parameter: str, parties: tuple[Enrolment, ...]) -> tuple[Enrolment, ...]:
    return tuple(sorted(tuple_of(parameter, parties, Enrolment), key=lambda party: party.name))


def _found_in(parties: tuple[Enrolment, ...], one: Enrolment) -> str:
    """What somebody else has in common with one of them; nothing if nobody has."""
    for party in parties:
        if one.name == party.name:
            return f"the name {arguments.text_of(party.name)}"
        if one.public_key == party.public_key:
            return f"the signing key of {arguments.text_of(party.name)}"
    return ""


def usual_holders(trust: KeyTrust) -> tuple[bool, Policy | None]:
    """Whether there are holders beside the contributors, and how they share the key if they do."""
    return trust != "contributors", _USUAL_POLICY if trust == "threshold" else None
