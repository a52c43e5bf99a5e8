"""Exact discrete noise: the discrete Gaussian and the discrete Laplace distribution.

Samples are integers from a cryptographic generator keyed by the operating system, and follow the
stated distribution exactly (docs/noise.md), so none of the known attacks on floating-point noise
applies. There is no seed: noise that can be repeated protects nothing.

Both distributions are those of Canonne, Kamath and Steinke, "The Discrete Gaussian for
Differential Privacy", 2020, https://arxiv.org/abs/2004.00010. How much noise a privacy goal needs
is not decided here.
"""

from collections.abc import Callable
from typing import Any, SupportsIndex, TypeAlias, TypeVar, overload

import numpy as np
from numpy.typing import DTypeLike, NDArray

from veilsum import _core, arguments
from veilsum.errors import InvalidArgumentError
from veilsum.system import thread_count

__all__ = [
    "add_discrete_gaussian",
    "add_discrete_laplace",
    "discrete_gaussian",
    "discrete_laplace",
]

Size: TypeAlias = SupportsIndex | tuple[SupportsIndex, ...]
_Out = TypeVar("_Out", NDArray[np.int64], NDArray[np.int32])

# The sigmas and scales that can be drawn, in integer steps.
MIN_SCALE = 0.3
MAX_SCALE = 2.0**40


@overload
def discrete_gaussian(
    sigma: float,
    size: Size | None = None,
    *,
    dtype: DTypeLike = ...,
    out: _Out,
    num_threads: int | None = None,
) -> _Out: ...
@overload
def discrete_gaussian(
    sigma: float,
    size: Size,
    *,
    dtype: DTypeLike = ...,
    out: None = None,
    num_threads: int | None = None,
) -> NDArray[Any]: ...
def discrete_gaussian(
    sigma: float,
    size: Size | None = None,
    *,
    dtype: DTypeLike = np.int64,
    out: NDArray[Any] | None = None,
    num_threads: int | None = None,
) -> NDArray[Any]:
    """Draw independent integers ``z``, each with weight ``exp(-z**2 / (2 * sigma**2))``.

    The mean is 0. From ``sigma = 1`` on the standard deviation is ``sigma`` to nine digits; for
    smaller ``sigma`` it is smaller.

    Args:
        sigma: in integer steps, from 0.3 to 2**40. Its float64 value is used as it is.
        size: the shape of the result, an int or a tuple of ints. With ``out`` it may be left out,
            and must be the shape of ``out`` if given.
        dtype: ``np.int64`` or ``np.int32``. int32 is allowed up to ``sigma = 2**27``, where a
            sample lies outside int32 with probability below 2**-100.
        out: a C-contiguous, writable array of dtype ``dtype`` to fill and return.
        num_threads: 1 to 1024; the default is ``VEILSUM_NUM_THREADS`` or every processor.

    Returns:
        An array of the given shape (also for one sample: shape ``()``), or ``out``.

    Raises:
        TypeError: ``sigma`` is not a real number, or ``size``, ``dtype``, ``out`` or
            ``num_threads`` has the wrong type; ``out`` is masked, or has another dtype than
            ``dtype``.
        InvalidArgumentError: ``sigma`` is outside its range or too large for int32, NaN or
            infinite; a size is negative or larger than any array; ``out`` has another shape than
            ``size``, is read-only or not C-contiguous.
        MemoryError: there is no room for an array of this size.
        EntropyError: the operating system gave no randomness. ``out`` may be partly written.

    Example:
        >>> import veilsum as vs
        >>> vs.noise.discrete_gaussian(1000.0, (2, 3)).shape
        (2, 3)
    """
    return _draw(_core.fill_discrete_gaussian, "sigma", sigma, size, dtype, out, num_threads)


@overload
def discrete_laplace(
    scale: float,
    size: Size | None = None,
    *,
    dtype: DTypeLike = ...,
    out: _Out,
    num_threads: int | None = None,
) -> _Out: ...
@overload
def discrete_laplace(
    scale: float,
    size: Size,
    *,
    dtype: DTypeLike = ...,
    out: None = None,
    num_threads: int | None = None,
) -> NDArray[Any]: ...
def discrete_laplace(
    scale: float,
    size: Size | None = None,
    *,
    dtype: DTypeLike = np.int64,
    out: NDArray[Any] | None = None,
    num_threads: int | None = None,
) -> NDArray[Any]:
    """Draw independent integers ``z``, each with weight ``exp(-abs(z) / scale)``.

    The mean is 0 and the variance ``2 * q / (1 - q)**2`` with ``q = exp(-1 / scale)``: about
    ``2 * scale**2`` for a large scale.

    Args:
        scale: in integer steps, from 0.3 to 2**40. Its float64 value is used as it is.
        size: the shape of the result, an int or a tuple of ints. With ``out`` it may be left out,
            and must be the shape of ``out`` if given.
        dtype: ``np.int64`` or ``np.int32``. int32 is allowed up to ``scale = 2**24``, where a
            sample lies outside int32 with probability below 2**-100.
        out: a C-contiguous, writable array of dtype ``dtype`` to fill and return.
        num_threads: 1 to 1024; the default is ``VEILSUM_NUM_THREADS`` or every processor.

    Returns:
        An array of the given shape (also for one sample: shape ``()``), or ``out``.

    Raises:
        TypeError: ``scale`` is not a real number, or ``size``, ``dtype``, ``out`` or
            ``num_threads`` has the wrong type; ``out`` is masked, or has another dtype than
            ``dtype``.
        InvalidArgumentError: ``scale`` is outside its range or too large for int32, NaN or
            infinite; a size is negative or larger than any array; ``out`` has another shape than
            ``size``, is read-only or not C-contiguous.
        MemoryError: there is no room for an array of this size.
        EntropyError: the operating system gave no randomness. ``out`` may be partly written.

    Example:
        >>> import veilsum as vs
        >>> vs.noise.discrete_laplace(20.0, 5, dtype=np.int32).dtype
        dtype('int32')
    """
    return _draw(_core.fill_discrete_laplace, "scale", scale, size, dtype, out, num_threads)


def add_discrete_gaussian(
    values: NDArray[np.int64], sigma: float, *, num_threads: int | None = None
) -> None:
    """Add an independent sample of :func:`discrete_gaussian` to each value, in place.

    Args:
        values: any shape, int64, C-contiguous and writable; each ``abs(value) < 2**62``.
        sigma: in integer steps, from 0.3 to 2**40.
        num_threads: 1 to 1024; the default is ``VEILSUM_NUM_THREADS`` or every processor.

    Raises:
        TypeError: ``values`` is not an int64 array or is masked, or another argument has the wrong
            type.
        InvalidArgumentError: ``sigma`` is outside its range; ``values`` is read-only or not
            C-contiguous, or a value is so large that the sum could overflow. Nothing is changed.
        EntropyError: the operating system gave no randomness. Some values may lack noise: discard
            them. The same holds after an interrupt.
    """
    _add(_core.add_discrete_gaussian, "sigma", sigma, values, num_threads)


def add_discrete_laplace(
    values: NDArray[np.int64], scale: float, *, num_threads: int | None = None
) -> None:
    """Add an independent sample of :func:`discrete_laplace` to each value, in place.

    Args:
        values: any shape, int64, C-contiguous and writable; each ``abs(value) < 2**62``.
        scale: in integer steps, from 0.3 to 2**40.
        num_threads: 1 to 1024; the default is ``VEILSUM_NUM_THREADS`` or every processor.

    Raises:
        TypeError: ``values`` is not an int64 array or is masked, or another argument has the wrong
            type.
        InvalidArgumentError: ``scale`` is outside its range; ``values`` is read-only or not
            C-contiguous, or a value is so large that the sum could overflow. Nothing is changed.
        EntropyError: the operating system gave no randomness. Some values may lack noise: discard
            them. The same holds after an interrupt.
    """
    _add(_core.add_discrete_laplace, "scale", scale, values, num_threads)


def writable_array(name: str, array: object, dtype: DTypeLike) -> NDArray[Any]:
    """An array that can be written in place, and that is all there is to see of it.

    Raises:
        TypeError: ``array`` is not a numpy array, has another dtype, or is masked.
        InvalidArgumentError: ``array`` is read-only, or not C-contiguous and aligned.
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{name} must be a numpy array, not {type(array).__name__}")
    if arguments.is_masked_type(type(array)):
        raise TypeError(
            f"{name} is a masked array, and the values under its mask would change too: pass "
            f"{name}.data, or {name}.filled(value)"
        )
    if array.dtype != dtype:
        raise TypeError(f"{name} has dtype {array.dtype}, not {np.dtype(dtype)}")
    if not array.flags.writeable:
        raise InvalidArgumentError(f"{name} is read-only")
    if not (array.flags.c_contiguous and array.flags.aligned):
        raise InvalidArgumentError(f"{name} is not C-contiguous and aligned; pass a copy")
    return array


def _draw(
    fill: Callable[[NDArray[Any], float, int], None],
    name: str,
    scale: float,
    size: Size | None,
    dtype: DTypeLike,
    out: NDArray[Any] | None,
    num_threads: int | None,
) -> NDArray[Any]:
    scale = arguments.real(name, scale, at_least=MIN_SCALE, at_most=MAX_SCALE)
    threads = thread_count(num_threads)
    wanted = _integer_dtype(dtype)
    if out is None:
        if size is None:
            raise TypeError("size is required unless out is given")
        out = _new_array(_shape(size), wanted)
    else:
        out = writable_array("out", out, wanted)
        if size is not None and _shape(size) != out.shape:
            raise InvalidArgumentError(f"size is {size}, but out has shape {out.shape}")
    fill(out, scale, threads)
    return out


def _add(
    add: Callable[[NDArray[np.int64], float, int], None],
    name: str,
    scale: float,
    values: NDArray[np.int64],
    num_threads: int | None,
) -> None:
    scale = arguments.real(name, scale, at_least=MIN_SCALE, at_most=MAX_SCALE)
    add(writable_array("values", values, np.int64), scale, thread_count(num_threads))


def _integer_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    try:
        wanted = np.dtype(dtype)
    except (TypeError, ValueError, SyntaxError):  # What numpy raises depends on what it is.
        raise TypeError(f"dtype must be int64 or int32, not {arguments.text_of(dtype)}") from None
    if wanted not in (np.dtype(np.int64), np.dtype(np.int32)):
        raise TypeError(f"dtype must be int64 or int32, not {wanted}")
    return wanted


def _shape(size: Size) -> tuple[int, ...]:
    if isinstance(size, tuple):
        return tuple(arguments.count("each length in size", length) for length in size)
    return (arguments.count("size", size),)


def _new_array(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    try:
        return np.empty(shape, dtype)
    except ValueError:  # More bytes than addresses, or more dimensions than numpy has.
        raise InvalidArgumentError(
            f"size is {arguments.text_of(shape)}, which no array of {dtype} can have"
        ) from None
