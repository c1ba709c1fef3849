"""The interval of a statistic of examples, by the bootstrap."""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from quantline.stats.interval import Interval

if TYPE_CHECKING:
    from collections.abc import Callable

_NORMAL = NormalDist()
_GROUPS = 200  # of the jackknife


def bootstrap_mean(
    differences: np.ndarray, confidence: float = 0.95, seed: int = 0, resamples: int = 2000
) -> Interval:
    """Return the mean of paired differences with one-sided bounds, each of the given confidence.

    Examples are drawn again with both models' results together, so that what they share cancels.
    The bounds are the bias-corrected and accelerated ones (BCa), since differences of losses are
    skewed: B. Efron, Better bootstrap confidence intervals, Journal of the American Statistical
    Association 82 (1987), 171-185. The same seed gives the same bounds.

    Args:
        differences: array of shape (n_examples,), candidate minus reference; not empty.
        confidence: The confidence of either bound, one-sided; between 0.5 and 1.
        seed: The seed of the draws.
        resamples: How many times the examples are drawn again.
    """
    mean = float(differences.mean())
    if np.ptp(differences) == 0:
        return Interval(mean, mean, mean)
    rng = np.random.default_rng(seed)
    count = len(differences)
    # One resample at a time: all of them at once would need resamples x examples numbers.
    means = np.array(
        [differences[rng.integers(count, size=count)].mean() for _ in range(resamples)]
    )
    centred = differences - mean
    # The jackknife's acceleration, which for a mean is its skewness over 6 sqrt(n).
    acceleration = float((centred**3).sum() / (6 * (centred**2).sum() ** 1.5))
    return _bounds(mean, means, acceleration, confidence)


def bootstrap(
    statistic: Callable[[np.ndarray], float],
    count: int,
    confidence: float = 0.95,
    seed: int = 0,
    resamples: int = 2000,
) -> Interval:
    """Return any statistic of examples with one-sided bounds, each of the given confidence.

    The bounds are those of :func:`bootstrap_mean`, with the acceleration by the jackknife, which
    leaves out one of at most 200 groups of examples in turn.

    Args:
        statistic: Takes the positions of examples, an integer array of shape (n,) in which some
            may be repeated. Draws of which it is NaN, such as one without a positive example, do
            not count.
        count: The number of examples; above 0.
        confidence: The confidence of either bound, one-sided; between 0.5 and 1.
        seed: The seed of the draws.
        resamples: How many times the examples are drawn again.
    """
    every = np.arange(count)
    estimate = float(statistic(every))
    rng = np.random.default_rng(seed)
    drawn = np.array([statistic(rng.integers(count, size=count)) for _ in range(resamples)])
    drawn = drawn[~np.isnan(drawn)]
    if not drawn.size or np.ptp(drawn) == 0:
        return Interval(estimate, estimate, estimate)
    groups = np.array_split(every, min(count, _GROUPS))
    left_out = np.array([statistic(np.setdiff1d(every, group)) for group in groups if count > 1])
    left_out = left_out[~np.isnan(left_out)]
    centred = left_out.mean() - left_out if left_out.size else np.zeros(1)
    spread = float((centred**2).sum())
    acceleration = float((centred**3).sum()) / (6 * spread**1.5) if spread else 0.0
    return _bounds(estimate, drawn, acceleration, confidence)


def bootstrap_weighted(
    statistic: Callable[[np.ndarray], float],
    count: int,
    confidence: float = 0.95,
    seed: int = 0,
    resamples: int = 2000,
) -> Interval:
    """Return the bounds of :func:`bootstrap` for a statistic that takes weights.

    Args:
        statistic: Takes how often each example counts, an integer array of shape (count,).
        count: The number of examples; above 0.
        confidence: The confidence of either bound, one-sided; between 0.5 and 1.
        seed: The seed of the draws.
        resamples: The number of draws.
    """
    return bootstrap(
        lambda at: statistic(np.bincount(at, minlength=count)), count, confidence, seed, resamples
    )


def _bounds(estimate: float, drawn: np.ndarray, acceleration: float, confidence: float) -> Interval:
    below = ((drawn < estimate).sum() + 0.5 * (drawn == estimate).sum()) / len(drawn)
    # An estimate outside all that was drawn would have an infinite bias.
    bias = _NORMAL.inv_cdf(min(max(float(below), 0.5 / len(drawn)), 1 - 0.5 / len(drawn)))

    def quantile(z: float) -> float:
        shifted = bias + z
        return _NORMAL.cdf(bias + shifted / (1 - acceleration * shifted))

    z = _NORMAL.inv_cdf(confidence)
    low, high = np.quantile(drawn, [quantile(-z), quantile(z)])
    return Interval(estimate, float(low), float(high))
