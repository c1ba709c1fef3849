"""The ``baseline`` stage: the trained model in, a float ``.tflite``, its scores out."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from kedro.pipeline import Pipeline, node, pipeline

from quantline import recipe
from quantline.evaluation import evaluate, measure
from quantline.evaluation.chance import no_better_than_chance
from quantline.evaluation.predict import CLASSIFICATION, check_labels
from quantline.quantization import import_float
from quantline.sampling import CalibrationSet, stream

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


logger = logging.getLogger(__name__)


def import_model(
    model: dict[str, Any],
    baseline: dict[str, Any],
    calibration_set: dict[str, np.ndarray],
    manifest: dict[str, Any],
    limits: dict[str, Any] | None = None,
    task: dict[str, Any] | None = None,
) -> tuple[bytes, dict[str, Any]]:
    """Import the trained model as a float ``.tflite`` and compare it with the original."""
    imported = import_float(
        recipe.check(recipe.Model, model),
        CalibrationSet.of(calibration_set).x,
        recipe.check(recipe.Baseline, baseline).parity,
        recipe.check(recipe.Limits, limits or {}),
    )
    chosen = recipe.check(recipe.Task, task or {}).chosen()
    for part in ("calibration", "evaluation"):
        check_labels(imported.content, manifest[part]["examples"], chosen)
    return imported.content, imported.about


def predict_float(
    float_model: bytes, dataset: dict[str, Any], manifest: dict[str, Any], task: dict[str, Any]
) -> tuple[pa.Table, dict[str, Any]]:
    """Predict the evaluation set with the float model and score the predictions."""
    data = recipe.check(recipe.Dataset, dataset)
    chosen = recipe.check(recipe.Task, task).chosen()
    predictions, scores = evaluate(float_model, stream(data, manifest, "evaluation"), chosen)
    finding = None
    if chosen.name == CLASSIFICATION.name:
        finding = no_better_than_chance(predictions, scores["classes"], str(data.steps or "none"))
    if finding is not None:
        logger.warning("%s", finding)
        scores["findings"] = [asdict(finding)]
    return predictions, scores


def time_float(
    float_model: bytes, calibration_set: dict[str, np.ndarray], baseline: dict[str, Any]
) -> dict[str, Any]:
    """Measure the float model's latency."""
    latency = recipe.check(recipe.Baseline, baseline).latency
    return measure(
        {"float": float_model}, CalibrationSet.of(calibration_set).samples(1)[0], latency
    )


def create_pipeline() -> Pipeline:
    """Build the pipeline."""
    return pipeline(
        [
            node(
                import_model,
                [
                    "params:model",
                    "params:baseline",
                    "calibration_set",
                    "manifest",
                    "params:limits",
                    "params:task",
                ],
                ["float_model", "float_import"],
                name="import_model",
            ),
            node(
                predict_float,
                ["float_model", "params:dataset", "manifest", "params:task"],
                ["float_predictions", "float_metrics"],
                name="predict_float",
            ),
            node(
                time_float,
                ["float_model", "calibration_set", "params:baseline"],
                "float_latency",
                name="time_float",
            ),
        ],
        tags="baseline",
    )
