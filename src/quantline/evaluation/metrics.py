"""The scores of one model, each with a 95 % interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quantline.evaluation.pairs import rows_of
from quantline.metrics import METRICS
from quantline.stats.interval import spread

if TYPE_CHECKING:
    import pyarrow as pa


def score(predictions: pa.Table, classes: int) -> dict[str, Any]:
    """Score predictions against their labels.

    Args:
        predictions: What :func:`quantline.evaluation.predict` gave.
        classes: The number of the model's classes, which some metrics need more of.

    Returns:
        ``examples``, ``classes`` and, of the labelled examples, each metric of
        :data:`quantline.metrics.METRICS` that has a score, with ``_low`` and ``_high``.
    """
    rows = rows_of(predictions)
    scores: dict[str, Any] = {
        "examples": len(predictions),
        "labelled_examples": len(rows),
        "classes": classes,
    }
    if len(rows):
        for name, metric in METRICS.items():
            if metric.score is not None and classes >= metric.least_classes:
                scores |= spread(name, metric.score(rows))
    return scores
