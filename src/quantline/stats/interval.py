"""Estimates with their 95 % intervals."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np

CONFIDENCE = 0.95
Z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)


class Interval(NamedTuple):
    """An estimate with its confidence interval; of 95 %, if nothing else is said."""

    value: float
    low: float
    high: float


def wilson(successes: int, total: int) -> Interval:
    """Return a proportion with Wilson's score interval.

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference,
    Journal of the American Statistical Association 22 (1927), 209-212.

    Args:
        successes: How many were right.
        total: Of how many; above 0.
    """
    p = successes / total
    centre = (p + Z**2 / (2 * total)) / (1 + Z**2 / total)
    half = Z / (1 + Z**2 / total) * sqrt(p * (1 - p) / total + Z**2 / (4 * total**2))
    # At 0 and at 1 the bound is the estimate itself, rounding apart.
    return Interval(p, min(p, max(0.0, centre - half)), max(p, min(1.0, centre + half)))


def mean(values: np.ndarray) -> Interval:
    """Return a mean with its normal interval, mean +- 1.96 standard errors.

    Args:
        values: array of shape (n_examples,).
    """
    centre = float(values.mean())
    error = float(values.std(ddof=1)) / sqrt(len(values)) if len(values) > 1 else 0.0
    return Interval(centre, centre - Z * error, centre + Z * error)


def spread(name: str, interval: Interval) -> dict[str, float]:
    """Return an interval as the three keys ``name``, ``name_low`` and ``name_high``."""
    return {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}
