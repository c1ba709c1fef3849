"""The evaluation of one model: predictions and their scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quantline.evaluation.metrics import score
from quantline.evaluation.predict import Classifier, Labelled, predict

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa


def evaluate(model: bytes, samples: Iterable[Labelled]) -> tuple[pa.Table, dict[str, Any]]:
    """Predict every sample and score the predictions.

    Args:
        model: A ``.tflite`` file's bytes, float or quantized.
        samples: The evaluation examples; streamed, one in memory at a time.

    Returns:
        The predictions, as :func:`quantline.evaluation.predict` gives them, and their scores with
        ``size_bytes`` and ``evidence``.
    """
    predictions = predict(model, samples)
    scores = score(predictions, Classifier(model).classes)
    return predictions, {**scores, "size_bytes": len(model), "evidence": "measured"}
