"""Paired comparison of two quantized models' losses on the same samples."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from quantline.quantization.judging import Losses

LEVEL = 0.05
"""The chance, at most, that any of the comparisons calls a model better that is none."""


@dataclass(frozen=True)
class Comparison:
    """A comparison of a model with a rival on the same samples.

    Attributes:
        improvement: The share of the rival's mean loss by which it loses less, the mean over
            outputs; below 0 where it loses more.
        standard_error: Of the improvement, from the differences sample by sample.
        gain: The mean over samples of (rival's loss - loss) / (rival's loss + loss): from 1, where
            nothing is lost any more, to -1. A few samples of large losses do not decide it, as they
            do the improvement.
        gain_error: The standard error of the gain.
        is_worse: True if some output, by some way of judging it, loses more than with the rival by
            more than one standard error of that difference.
        lost: Samples whose largest class only the rival has as float has it; places count in part.
        won: Samples where only this model has it.
    """

    improvement: float
    standard_error: float
    gain: float
    gain_error: float
    is_worse: bool
    lost: float
    won: float

    @property
    def is_guarded(self) -> bool:
        """True where no output is worse, and agreement no lower, by more than one standard error.

        Of samples on which only one of two models agrees, the difference of the two counts has a
        standard error of the root of their sum (McNemar 1947).
        """
        return not self.is_worse and self.lost - self.won <= sqrt(self.lost + self.won)

    @property
    def is_no_worse(self) -> bool:
        """True where it loses less on average and on most samples, and nothing falls."""
        return self.is_guarded and self.improvement > 0 and self.gain > 0

    def is_better(self, needed: float) -> bool:
        """Return whether it loses less by more than the noise.

        The gain has to be more than so many standard errors of its own, the improvement more than
        one, and nothing may fall.
        """
        beyond = (self.improvement > self.standard_error, self.gain > needed * self.gain_error)
        return self.is_no_worse and all(beyond)


def compare(rival: Losses, model: Losses) -> Comparison:
    """Compare two models' losses on the same samples, of which there are two at least.

    The differences of each output are taken as shares of the rival's mean loss, so that outputs
    weigh alike whatever their losses are; of an output judged in two ways, each weighs half.
    """
    differences, gains, is_worse = [], [], False
    for ours, theirs in zip(model.outputs, rival.outputs, strict=True):
        ways, shares = [], []
        for kind, loss in theirs.items():
            difference, total = loss - ours[kind], loss + ours[kind]
            is_worse |= float(difference.mean()) < -_standard_error(difference)
            ways.append(difference / (float(loss.mean()) or 1.0))
            shares.append(np.divide(difference, total, where=total > 0, out=np.zeros_like(total)))
        differences.append(np.mean(ways, axis=0))
        gains.append(np.mean(shares, axis=0))
    improvement, gain = np.mean(differences, axis=0), np.mean(gains, axis=0)
    falls = [before - after
             for before, after in zip(rival.agreement, model.agreement, strict=True)]  # fmt: skip
    return Comparison(
        improvement=float(improvement.mean()),
        standard_error=_standard_error(improvement),
        gain=float(gain.mean()),
        gain_error=_standard_error(gain),
        is_worse=is_worse,
        lost=float(sum(np.maximum(fall, 0).sum() for fall in falls)),
        won=float(sum(np.maximum(-fall, 0).sum() for fall in falls)),
    )


def standard_errors_needed(samples: int, comparisons: int) -> float:
    """Return how many standard errors a mean difference must have to be more than noise.

    It is the one-sided quantile of Student's t distribution, at a level that is divided by the
    number of comparisons (Bonferroni), in the expansion of Abramowitz and Stegun, Handbook of
    Mathematical Functions (1964), 26.7.5: with 7 degrees of freedom or more it is off by less than
    2 % at the levels used here.
    """
    freedom = samples - 1
    z = NormalDist().inv_cdf(1 - LEVEL / comparisons)
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return sum(term / float(freedom**power) for power, term in enumerate(terms))


def _standard_error(values: np.ndarray) -> float:
    return float(np.std(values, ddof=1) / sqrt(len(values)))
