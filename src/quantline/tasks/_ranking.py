"""Statistics of how scores rank positive and negative examples, for examples with weights.

Each is prepared once, by sorting the scores, and then costs one pass for every draw of a bootstrap.
Without weights they are scikit-learn's ``roc_auc_score`` and ``average_precision_score``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

LEAST = 20
"""With fewer examples of a kind, bounds at 95 % were missed by up to 12 % of the draws."""


def area_under_curve(
    labels: np.ndarray, scores: np.ndarray, most_false_positives: float | None = None
) -> Callable[[np.ndarray], float]:
    """Prepare the area under the receiver operating characteristic.

    A part of it, up to a rate of false positives, is standardized to 0.5 for scores that say
    nothing and 1 for perfect ones: D. K. McClish, Analyzing a portion of the ROC curve, Medical
    Decision Making 9 (1989), 190-195.

    Args:
        labels: array of shape (n_examples,), 0 or 1.
        scores: array of shape (n_examples,); higher means 1.
        most_false_positives: Where the part ends, between 0 and 1; None for the whole area.

    Returns:
        A function of how often each example counts; it is NaN without examples of both kinds.
    """
    import numpy as np

    order, ends = _sorted(scores)
    positive = labels[order]

    def area(weights: np.ndarray) -> float:
        drawn = weights[order]
        hits = np.concatenate([[0.0], np.cumsum(drawn * positive)[ends]])
        misses = np.concatenate([[0.0], np.cumsum(drawn * (1 - positive))[ends]])
        if not hits[-1] or not misses[-1]:
            return float("nan")
        true, false = hits / hits[-1], misses / misses[-1]
        if most_false_positives is None:
            return float(np.trapezoid(true, false))
        stop = int(np.searchsorted(false, most_false_positives, side="right"))
        last = np.interp(most_false_positives, false[: stop + 1], true[: stop + 1])
        found = np.trapezoid([*true[:stop], last], [*false[:stop], most_false_positives])
        least = most_false_positives**2 / 2
        return float(0.5 * (1 + (found - least) / (most_false_positives - least)))

    return area


def average_precision(labels: np.ndarray, scores: np.ndarray) -> Callable[[np.ndarray], float]:
    """Prepare the average precision: the mean of the precision over the steps of the recall.

    Args:
        labels: array of shape (n_examples,), 0 or 1.
        scores: array of shape (n_examples,); higher means 1.

    Returns:
        A function of how often each example counts; it is NaN without a positive example.
    """
    import numpy as np

    order, ends = _sorted(scores)
    positive = labels[order]

    def precision(weights: np.ndarray) -> float:
        drawn = weights[order]
        hits, total = np.cumsum(drawn * positive)[ends], np.cumsum(drawn)[ends]
        if not hits[-1]:
            return float("nan")
        steps = np.diff(hits, prepend=0.0) / hits[-1]
        return float((steps * hits / np.maximum(total, 1e-300)).sum())

    return precision


def too_few_positives(labels: np.ndarray) -> str | None:
    """Say which class has too few positive or negative examples for the bounds of a change.

    Args:
        labels: array of shape (n_examples,) or (n_examples, n_classes), 0 or 1.
    """
    import numpy as np

    table = labels.reshape(len(labels), -1)
    counts = np.minimum(table.sum(axis=0), len(table) - table.sum(axis=0))
    least = int(counts[counts > 0].min(initial=LEAST))
    if least >= LEAST:
        return None
    place = "" if table.shape[1] == 1 else f" of class {int(np.argmax(counts == least))}"
    return f"there are {least} positive or negative examples{place}, and {LEAST} are needed"


def _sorted(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the order from the highest score to the lowest, and where each distinct one ends."""
    import numpy as np

    order = np.argsort(-scores, kind="stable")
    changes = np.flatnonzero(np.diff(scores[order]))
    return order, np.append(changes, len(scores) - 1)
