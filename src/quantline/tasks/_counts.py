"""Precision, recall and F1 from the counts of right and wrong answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np


def precision(hits: np.ndarray, found: np.ndarray, _: np.ndarray) -> np.ndarray:
    """Return the share of what was found that is right; 0 where nothing was found."""
    return _ratio(hits, found)


def recall(hits: np.ndarray, _: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the share of what was wanted that was found; 0 where nothing was wanted."""
    return _ratio(hits, wanted)


def f1(hits: np.ndarray, found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the harmonic mean of precision and recall; 0 where there is nothing at all."""
    return _ratio(2 * hits, found + wanted)


def counted(
    labels: np.ndarray,
    predictions: np.ndarray,
    formula: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
    *,
    pooled: bool,
) -> Callable[[np.ndarray], float]:
    """Prepare a statistic of counts.

    Args:
        labels: array of shape (n_examples, n_classes), 0 or 1.
        predictions: The same of the answers.
        formula: Takes for each class how many answers are right, how many there are, and how many
            there should be.
        pooled: True to add the counts of all classes up first (micro), False for the mean over the
            classes (macro).
    """
    counts = [array.astype(float) for array in (labels * predictions, predictions, labels)]

    def statistic(weights: np.ndarray) -> float:
        sums = [weights @ array for array in counts]
        return float(formula(*([value.sum() for value in sums] if pooled else sums)).mean())

    return statistic


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    import numpy as np

    return np.asarray(np.where(whole > 0, part / np.maximum(whole, 1), 0.0))
