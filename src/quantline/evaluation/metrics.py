"""The scores of one model, each with a 95 % interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quantline.evaluation.pairs import rows_of
from quantline.evaluation.predict import CLASSIFICATION
from quantline.stats.interval import spread

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from quantline.tasks import ChosenTask


def score(predictions: pa.Table, classes: int) -> dict[str, Any]:
    """Score a classifier's predictions against their labels.

    Args:
        predictions: A table from :func:`quantline.evaluation.predict`.
        classes: The number of the model's classes, which some metrics need more of.

    Returns:
        ``examples``, ``classes`` and, of the labelled examples, each metric of
        :data:`quantline.metrics.METRICS` that has a score, with ``_low`` and ``_high``.
    """
    return score_task(predictions, CLASSIFICATION, {"classes": classes})


def score_task(predictions: pa.Table, task: ChosenTask, about: Mapping[str, Any]) -> dict[str, Any]:
    """Score predictions by the metrics of their task.

    Args:
        predictions: A table from :func:`quantline.evaluation.predict.run_task`.
        task: The task.
        about: Facts about the model: :attr:`quantline.tasks.Scorer.about`.

    Returns:
        ``examples``, ``labelled_examples``, the facts, each metric of the labelled examples with
        ``_low`` and ``_high``; and ``details``, where the task has any.
    """
    rows = rows_of(predictions)
    scores: dict[str, Any] = {
        "task": task.name,
        "examples": len(predictions),
        "labelled_examples": len(rows) if task.task.needs_labels else 0,
        **about,
    }
    if len(rows):
        for name, metric in task.metrics(list(rows.columns)).items():
            if metric.score is not None and about.get("classes", 1) >= metric.least_classes:
                scores |= spread(name, metric.score(rows))
        details = task.task.details(rows)
        if details:
            scores["details"] = details
    return scores
