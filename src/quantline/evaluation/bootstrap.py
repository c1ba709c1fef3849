"""The interval of a mean difference on the same examples, by the bootstrap."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from quantline.evaluation.metrics import Interval

_NORMAL = NormalDist()


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
    below = ((means < mean).sum() + 0.5 * (means == mean).sum()) / resamples
    bias = _NORMAL.inv_cdf(float(below))
    centred = differences - mean
    # The jackknife's acceleration, which for a mean is its skewness over 6 sqrt(n).
    acceleration = float((centred**3).sum() / (6 * (centred**2).sum() ** 1.5))

    def quantile(z: float) -> float:
        shifted = bias + z
        return _NORMAL.cdf(bias + shifted / (1 - acceleration * shifted))

    z = _NORMAL.inv_cdf(confidence)
    low, high = np.quantile(means, [quantile(-z), quantile(z)])
    return Interval(mean, float(low), float(high))
