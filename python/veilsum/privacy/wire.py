"""The noise agreement on the wire: docs/wire-format.md, section "Noise"."""

from veilsum import arguments
from veilsum.errors import InvalidArgumentError, MalformedDataError
from veilsum.privacy.mechanisms import Adjacency, GaussianNoise, LaplaceNoise, Noise
from veilsum.wire import Reader, Writer

__all__ = ["read_noise", "write_noise"]

_NONE, _GAUSSIAN, _LAPLACE = 0, 1, 2
_ADJACENCIES: dict[Adjacency, int] = {"zero-out": 0, "replace-one": 1}


def write_noise(writer: Writer, noise: Noise | None) -> None:
    """Write the kind, and for noise all that it was made from."""
    arguments.instance("writer", writer, Writer)
    arguments.instance("noise", noise, (GaussianNoise, LaplaceNoise, type(None)))
    if noise is None:
        writer.u8(_NONE)
        return
    writer.u8(_GAUSSIAN if isinstance(noise, GaussianNoise) else _LAPLACE)
    writer.f64(noise.epsilon)
    writer.f64(noise.delta)
    writer.u64(noise.rounds)
    writer.f64(noise.norm_bound)
    writer.u64(noise.honest_contributors)
    writer.u8(_ADJACENCIES[noise.adjacency])
    writer.u8(noise.weighted)


def read_noise(reader: Reader) -> Noise | None:
    """Read what ``write_noise`` wrote; MalformedDataError if no noise is like that."""
    kind = arguments.instance("reader", reader, Reader).u8()
    if kind == _NONE:
        return None
    epsilon, delta, rounds = reader.f64(), reader.f64(), reader.u64()
    norm_bound, honest_contributors = reader.f64(), reader.u64()
    adjacency_code, weighted = reader.u8(), reader.u8()
    adjacencies = {code: name for name, code in _ADJACENCIES.items()}
    if kind not in (_GAUSSIAN, _LAPLACE) or adjacency_code not in adjacencies or weighted > 1:
        raise MalformedDataError("noise: unknown kind, adjacency or weighting")
    adjacency = adjacencies[adjacency_code]
    if kind == _LAPLACE and (delta.hex() != "0x0.0p+0" or honest_contributors != 1):
        raise MalformedDataError(
            "noise: Laplace noise must have a delta of 0 and one honest contributor"
        )
    try:
        if kind == _LAPLACE:
            return LaplaceNoise(
                epsilon=epsilon,
                rounds=rounds,
                norm_bound=norm_bound,
                adjacency=adjacency,
                weighted=bool(weighted),
            )
        return GaussianNoise(
            epsilon=epsilon,
            delta=delta,
            rounds=rounds,
            norm_bound=norm_bound,
            honest_contributors=honest_contributors,
            adjacency=adjacency,
            weighted=bool(weighted),
        )
    except InvalidArgumentError as error:
        raise MalformedDataError(f"noise: {error}") from error
