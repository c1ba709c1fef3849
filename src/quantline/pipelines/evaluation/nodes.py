"""Nodes of the ``evaluation`` stage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quantline import edgetpu, recipe
from quantline.evaluation import compare, evaluate, measure
from quantline.evaluation.paired import per_class
from quantline.sampling import stream
from quantline.tflite import read

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


def predict_int8(
    int8_model: bytes,
    integer_only: dict[str, Any],
    dataset: dict[str, Any],
    manifest: dict[str, Any],
) -> tuple[pa.Table, dict[str, Any]]:
    """Predict the evaluation set with the int8 model and score the predictions."""
    samples = stream(recipe.check(recipe.Dataset, dataset), manifest, "evaluation")
    return evaluate(int8_model, samples)


def compare_models(
    float_predictions: pa.Table,
    int8_predictions: pa.Table,
    float_model: bytes,
    int8_model: bytes,
) -> dict[str, Any]:
    """Compare the two models' predictions, class by class, and their sizes."""
    return {
        **compare(float_predictions, int8_predictions),
        "size_ratio": len(float_model) / len(int8_model),
        "per_class": per_class(float_predictions, int8_predictions),
        "evidence": "measured",
    }


def time_models(
    float_model: bytes,
    int8_model: bytes,
    integer_only: dict[str, Any],
    calibration_set: dict[str, np.ndarray],
    evaluation: dict[str, Any],
) -> dict[str, Any]:
    """Measure the latency of both models, interleaved."""
    latency = recipe.check(recipe.Evaluation, evaluation).latency
    models = {"float": float_model, "int8": int8_model}
    return measure(models, calibration_set["x"][0], latency)


def predict_edgetpu(
    int8_model: bytes,
    integer_only: dict[str, Any],
    evaluation: dict[str, Any],
) -> dict[str, Any]:
    """Predict which operators the Edge TPU would take."""
    wanted = recipe.check(recipe.Evaluation, evaluation).edgetpu
    return edgetpu.predict(read(int8_model), runtime_version=wanted.runtime_version).to_dict()
