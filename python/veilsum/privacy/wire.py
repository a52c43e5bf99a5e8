"""The noise agreement on the wire: docs/wire-format.md, section "Noise"."""

from veilsum import arguments
from veilsum.errors import InvalidArgumentError, MalformedDataError
from veilsum.message import Field, Layout, code, f64, u64
from veilsum.privacy.mechanisms import AgreedNoise, GaussianNoise, LaplaceNoise, RecordNoise
from veilsum.wire import Reader, Writer

__all__ = ["NOISE", "NOISE_FIELD", "NOISE_KIND", "read_noise", "write_noise"]

_KINDS: dict[type, int] = {type(None): 0, GaussianNoise: 1, LaplaceNoise: 2, RecordNoise: 3}
NOISE_KIND = code("kind of noise", _KINDS)
NOISE = Layout(
    epsilon=f64("positive, finite"),
    delta=f64("in (0, 1); +0.0 for Laplace"),
    rounds=u64(at_least=1),
    norm_bound=f64("positive, finite"),
    honest_contributors=u64("1 for Laplace", at_least=1),
    adjacency=code("adjacency", {"zero-out": 0, "replace-one": 1}),
    weighted=code("weighting", {False: 0, True: 1}, "0 for record"),
)
"""What follows the kind, unless there is no noise."""


def write_noise(writer: Writer, noise: AgreedNoise | None) -> None:
    """Write the kind, and for noise all that it was made from."""
    arguments.instance("writer", writer, Writer)
    arguments.instance("noise", noise, tuple(_KINDS))
    NOISE_KIND.write(writer, type(noise))
    if noise is not None:
        NOISE.write(writer, noise)


def read_noise(reader: Reader) -> AgreedNoise | None:
    """Read what ``write_noise`` wrote; MalformedDataError if no noise is like that."""
    kind = NOISE_KIND.read(arguments.instance("reader", reader, Reader))
    if kind is type(None):
        return None
    values = NOISE.read(reader)
    if kind is LaplaceNoise:
        delta, honest_contributors = values.pop("delta"), values.pop("honest_contributors")
        if delta.hex() != "0x0.0p+0" or honest_contributors != 1:
            raise MalformedDataError(
                "noise: Laplace noise must have a delta of 0 and one honest contributor"
            )
    try:
        noise: AgreedNoise = kind(**values)
    except InvalidArgumentError as error:
        raise MalformedDataError(f"noise: {error}") from error
    return noise


NOISE_FIELD: Field[AgreedNoise | None] = Field("noise", "", 1, write_noise, read_noise)
