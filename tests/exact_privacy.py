"""Exact privacy of integer noise in one dimension, from its probabilities: an oracle for tests."""

import math

import mpmath
import numpy as np


def discrete_gaussian(sigma, half_width):
    """Probabilities of -half_width to half_width."""
    z = np.arange(-half_width, half_width + 1, dtype=float)
    p = np.exp(-(z**2) / (2 * sigma**2))
    return p / p.sum()


def discrete_laplace(scale, half_width):
    z = np.arange(-half_width, half_width + 1, dtype=float)
    p = np.exp(-np.abs(z) / scale)
    return p / p.sum()


def sum_of(p, num_terms):
    """Convolved directly: positive terms only, so that tails keep their digits."""
    total = p
    for _ in range(num_terms - 1):
        total = np.convolve(total, p)
    return total


def at(p, shift, width):
    """The symmetric law p moved by ``shift``, as an array of ``2 * width + 1``."""
    moved = np.zeros(2 * width + 1)
    start = width + shift - len(p) // 2
    moved[start : start + len(p)] = p
    return moved


def delta(p, q, epsilon):
    """The least delta for which P(S) <= e^epsilon Q(S) + delta for all S."""
    return np.maximum(p - math.exp(epsilon) * q, 0).sum()


def epsilon(p, q, target):
    """The epsilon of one direction at delta = target, up to 2^-40 from below."""
    if delta(p, q, 0.0) <= target:
        return 0.0
    low, high = 0.0, 1.0
    while delta(p, q, high) > target:
        low, high = high, 2 * high
        assert high < 1e4
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if delta(p, q, middle) > target else (low, middle)
    return low


def composed(p, num_times):
    """The law of that many independent draws together, as one vector of probabilities."""
    joint = p
    for _ in range(num_times - 1):
        joint = np.outer(joint, p).ravel()
    return joint


def exact_delta(mu, epsilon):
    """Of mu-Gaussian DP, in sixty digits."""
    with mpmath.workdps(60):
        mu, epsilon = mpmath.mpf(mu), mpmath.mpf(epsilon)
        first = mpmath.ncdf(mu / 2 - epsilon / mu)
        return first - mpmath.exp(epsilon) * mpmath.ncdf(-mu / 2 - epsilon / mu)
