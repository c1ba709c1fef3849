"""A test whether a model is no worse than another one on the same examples, by a margin.

The interval is Tango's score interval for the difference of paired proportions: T. Tango,
Equivalence test and confidence interval for the difference in proportions for the paired-sample
design, Statistics in Medicine 17 (1998), 891-908. It was chosen by how often each method wrongly
says ``no worse`` (``benchmarks/coverage.py``, docs/verdict.md): where few examples change, a Wald
interval, adjusted or not, does so too often.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import ceil, sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

Verdict = Literal["no worse", "worse", "undecided"]

POWER = 0.8
"""The chance that the examples that are said to be needed would decide."""

_BISECTIONS = 60  # of an interval of length 2, to the last bit
_AT_THE_MARGIN = 1e-9  # nearer than one example of a billion


@dataclass(frozen=True)
class Noninferiority:
    """The answer to whether a candidate is no worse than a reference.

    Attributes:
        verdict: ``no worse``: the lower bound lies above minus the margin. ``worse``: the upper
            bound lies below it. Else ``undecided``.
        difference_points: The candidate's accuracy minus the reference's, in percentage points.
        low_points: The lower bound: the true difference is above it with the given confidence.
        high_points: The upper bound, likewise. As both are one-sided, the two together are an
            interval of 90 % where the confidence is 95 %.
        margin_points: How much worse the candidate may be; above 0.
        confidence: The confidence of either bound, one-sided.
        lost: Examples that only the reference has right.
        won: Examples that only the candidate has right.
        examples: All examples.
        examples_needed: How many more would decide; None where the verdict is one already, or
            where the difference lies at the margin itself. See :func:`noninferiority`.
    """

    verdict: Verdict
    difference_points: float
    low_points: float
    high_points: float
    margin_points: float
    confidence: float
    lost: int
    won: int
    examples: int
    examples_needed: int | None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain data."""
        return asdict(self)


def noninferiority(
    lost: int, won: int, examples: int, margin_points: float, confidence: float = 0.95
) -> Noninferiority:
    """Ask whether a candidate is no worse than a reference on the same examples.

    Each verdict is a one-sided test at the level ``1 - confidence``: of candidates that are worse
    by exactly the margin, at most about this share is called ``no worse``.

    ``examples_needed`` holds if further examples are drawn as these were and change from right to
    wrong, and back, at the very rates seen so far; then so many more decide with a chance of
    ``POWER``. The formula is that of J. Nam, Establishing equivalence of two treatments and sample
    size requirements in matched-pairs design, Biometrics 53 (1997), 1422-1430.

    Args:
        lost: Examples that only the reference has right.
        won: Examples that only the candidate has right.
        examples: All examples; above 0.
        margin_points: How much worse the candidate may be, in percentage points; above 0.
        confidence: The confidence of either bound, one-sided; between 0.5 and 1.
    """
    margin, z = margin_points / 100, NormalDist().inv_cdf(confidence)
    statistic = float(score_statistic(lost, won, examples, -margin))
    low, high = score_interval(lost, won, examples, confidence)
    verdict: Verdict = "undecided"
    if abs(statistic) > z:
        verdict = "no worse" if statistic > 0 else "worse"
    undecided = verdict == "undecided"
    return Noninferiority(
        verdict=verdict,
        difference_points=100 * (won - lost) / examples,
        low_points=100 * low,
        high_points=100 * high,
        margin_points=margin_points,
        confidence=confidence,
        lost=lost,
        won=won,
        examples=examples,
        examples_needed=_more(lost, won, examples, margin, z) if undecided else None,
    )


def score_interval(
    lost: int, won: int, examples: int, confidence: float = 0.95
) -> tuple[float, float]:
    """Return both one-sided bounds of the difference, candidate minus reference, from -1 to 1.

    They are the differences at which Tango's statistic is plus or minus the normal quantile.

    Args:
        lost: Examples that only the reference has right.
        won: Examples that only the candidate has right.
        examples: All examples; above 0.
        confidence: The confidence of either bound, one-sided.
    """
    z = NormalDist().inv_cdf(confidence)
    estimate = (won - lost) / examples

    def solve(inner: float, outer: float) -> float:
        # The statistic is 0 at the estimate, and grows in size towards either end.
        for _ in range(_BISECTIONS):
            middle = (inner + outer) / 2
            if abs(float(score_statistic(lost, won, examples, middle))) < z:
                inner = middle
            else:
                outer = middle
        return outer

    return solve(estimate, -1.0), solve(estimate, 1.0)


def score_statistic(
    lost: npt.ArrayLike, won: npt.ArrayLike, examples: int, difference: float
) -> np.ndarray:
    """Return Tango's score statistic for a supposed difference; standard normal if it is true.

    The variance is that of the most likely shares under the supposed difference: the share of lost
    examples is the larger root of a quadratic equation.

    Args:
        lost: Examples that only the reference has right; array of any shape.
        won: Examples that only the candidate has right; of the same shape.
        examples: All examples; above 0.
        difference: The supposed difference, candidate minus reference; between -1 and 1.

    Returns:
        array of the same shape, float64.
    """
    lost, won = np.asarray(lost, np.float64), np.asarray(won, np.float64)
    variance = examples * _variance(lost, won, examples, difference)
    excess = won - lost - examples * difference
    root = np.sqrt(np.maximum(variance, 0))
    return np.asarray(np.divide(excess, root, out=np.zeros_like(excess), where=root > 0))


def _variance(lost: np.ndarray, won: np.ndarray, examples: int, difference: float) -> np.ndarray:
    """Return one example's variance under the supposed difference."""
    linear = (2 * examples - won + lost) * difference - (won + lost)
    constant = lost * difference * (1 - difference)
    root = np.sqrt(linear**2 + 8 * examples * constant)
    share_lost = (root - linear) / (4 * examples)
    return np.asarray(2 * share_lost + difference - difference**2)


def _more(lost: int, won: int, examples: int, margin: float, z: float) -> int | None:
    difference = (won - lost) / examples
    distance = abs(difference + margin)
    if distance < _AT_THE_MARGIN:
        return None
    supposed = sqrt(float(_variance(np.asarray(lost), np.asarray(won), examples, -margin)))
    seen = sqrt((won + lost) / examples - difference**2)
    needed = ((z * supposed + NormalDist().inv_cdf(POWER) * seen) / distance) ** 2
    return ceil(needed) - examples
