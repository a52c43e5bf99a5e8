"""What a run was asked to do: everything that a resumed run must do alike, checked."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, TypeAlias, get_args

from veilsum import arguments
from veilsum.errors import InvalidArgumentError, MalformedDataError
from veilsum.fedavg.clients import Selection
from veilsum.privacy import GaussianNoise, LaplaceNoise, Noise
from veilsum.vector import Codec

__all__ = ["SchemeChoice", "Settings", "Trust", "Weighting"]

Trust: TypeAlias = Literal["threshold", "authority", "contributors", "clear"]
SchemeChoice: TypeAlias = Literal["auto", "packed", "masked"]
Weighting: TypeAlias = Literal["samples", "uniform"]

_NOISES: dict[str, type[GaussianNoise] | type[LaplaceNoise]] = {
    "gaussian": GaussianNoise,
    "laplace": LaplaceNoise,
}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The arguments of ``FedAvg`` that are values; its docstring explains them.

    Raises:
        TypeError, InvalidArgumentError: a value of the wrong type, or out of range.
    """

    codec: Codec | None
    trust: Trust
    scheme: SchemeChoice
    key_bits: int
    fraction: float
    selection: Selection
    local_epochs: int
    weighting: Weighting
    max_samples: int | None
    noise: Noise | None
    server_lr: float
    momentum: float
    min_contributors: int | None
    evaluate_every: int
    lower_is_better: bool
    report_clipping: bool
    seed: int | None

    def __post_init__(self) -> None:
        """Check each value, and turn numpy's numbers into Python's."""
        arguments.instance("codec", self.codec, (Codec, type(None)))
        arguments.instance("noise", self.noise, (GaussianNoise, LaplaceNoise, type(None)))
        checked = {
            "trust": arguments.choice("trust", self.trust, get_args(Trust)),
            "scheme": arguments.choice("scheme", self.scheme, get_args(SchemeChoice)),
            "key_bits": arguments.count("key_bits", self.key_bits, at_least=1),
            "fraction": arguments.real("fraction", self.fraction, above=0, at_most=1),
            "selection": arguments.choice("selection", self.selection, get_args(Selection)),
            "local_epochs": arguments.count("local_epochs", self.local_epochs, at_least=1),
            "weighting": arguments.choice("weighting", self.weighting, get_args(Weighting)),
            "server_lr": arguments.real("server_lr", self.server_lr, above=0),
            "momentum": arguments.real("momentum", self.momentum, at_least=0, below=1),
            "evaluate_every": arguments.count("evaluate_every", self.evaluate_every, at_least=1),
            "lower_is_better": arguments.flag("lower_is_better", self.lower_is_better),
            "report_clipping": arguments.flag("report_clipping", self.report_clipping),
        }
        for name, least in (("max_samples", 1), ("min_contributors", 1), ("seed", 0)):
            value = getattr(self, name)
            if value is not None:
                checked[name] = arguments.count(name, value, at_least=least)
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        if self.noise is not None and not self.noise.weighted and self.weighting != "uniform":
            raise InvalidArgumentError(
                "this noise does not hide weights; use weighting='uniform', or weighted=True"
            )

    def to_facts(self) -> dict[str, Any]:
        """As JSON takes it."""
        facts = {each.name: getattr(self, each.name) for each in fields(self)}
        if self.codec is not None:
            facts["codec"] = asdict(self.codec)
        if self.noise is not None:
            kind = "gaussian" if isinstance(self.noise, GaussianNoise) else "laplace"
            facts["noise"] = {"kind": kind, **asdict(self.noise)}
        return facts

    @staticmethod
    def from_facts(facts: Mapping[str, Any]) -> "Settings":
        """Read what ``to_facts`` gave; MalformedDataError for anything else."""
        try:
            values = dict(facts)
            if values["codec"] is not None:
                codec = dict(values["codec"])
                values["codec"] = Codec(codec.pop("dim"), **codec)
            if values["noise"] is not None:
                noise = dict(values["noise"])
                values["noise"] = _NOISES[noise.pop("kind")](**noise)
            return Settings(**values)
        except (KeyError, TypeError, ValueError) as error:
            raise MalformedDataError(f"the settings of the run are damaged: {error}") from None
