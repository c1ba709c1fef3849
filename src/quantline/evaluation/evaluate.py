"""The evaluation of one model: predictions and their scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quantline.evaluation.metrics import score_task
from quantline.evaluation.predict import CLASSIFICATION, Labelled, run_task

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa

    from quantline.tasks import ChosenTask


def evaluate(
    model: bytes,
    samples: Iterable[Labelled],
    task: ChosenTask = CLASSIFICATION,
    reference: bytes | None = None,
) -> tuple[pa.Table, dict[str, Any]]:
    """Predict every sample and score the predictions.

    Args:
        model: A ``.tflite`` file's bytes, float or quantized.
        samples: The evaluation examples; streamed, one in memory at a time.
        task: The meaning of the outputs.
        reference: The float model, for a task that compares with its outputs.

    Returns:
        The predictions, as :func:`quantline.evaluation.predict.run_task` gives them, and their
        scores with ``size_bytes`` and ``evidence``.
    """
    predictions, scorer = run_task(model, samples, task, reference)
    scores = score_task(predictions, task, scorer.about)
    return predictions, {**scores, "size_bytes": len(model), "evidence": "measured"}
