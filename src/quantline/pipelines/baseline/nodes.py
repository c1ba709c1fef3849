"""Nodes of the ``baseline`` stage."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantline import recipe
from quantline.errors import ParameterError
from quantline.evaluation import evaluate, measure
from quantline.evaluation.predict import check_labels
from quantline.quantization import import_float
from quantline.sampling import stream

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


def import_model(
    model: dict[str, Any],
    baseline: dict[str, Any],
    calibration_set: dict[str, np.ndarray],
    manifest: dict[str, Any],
    limits: dict[str, Any] | None = None,
) -> tuple[bytes, dict[str, Any]]:
    """Import the trained model as a float ``.tflite`` and compare it with the original."""
    imported = import_float(
        recipe.check(recipe.Model, model),
        calibration_set["x"],
        recipe.check(recipe.Baseline, baseline).parity,
        recipe.check(recipe.Limits, limits or {}),
    )
    for part in ("calibration", "evaluation"):
        check_labels(imported.content, manifest[part]["examples"])
    return imported.content, imported.about


def import_trained(
    model: dict[str, Any],
    baseline: dict[str, Any],
    calibration_set: dict[str, np.ndarray],
    manifest: dict[str, Any],
    trained_model: bytes,
    limits: dict[str, Any] | None = None,
) -> tuple[bytes, dict[str, Any]]:
    """Import the model that was trained in this very run."""
    path = Path(recipe.check(recipe.Model, model).path)
    if not path.is_file() or path.read_bytes() != trained_model:
        raise ParameterError(
            "'model.path' is not the model that this run trained",
            found=f"'{path}', which is another file",
            expected="the file of the dataset 'trained_model' in conf/base/catalog.yml",
            remedy="Set 'model.path' to it, or change the catalog's entry in conf/local",
        )
    return import_model(model, baseline, calibration_set, manifest, limits)


def predict_float(
    float_model: bytes, dataset: dict[str, Any], manifest: dict[str, Any]
) -> tuple[pa.Table, dict[str, Any]]:
    """Predict the evaluation set with the float model and score the predictions."""
    samples = stream(recipe.check(recipe.Dataset, dataset), manifest, "evaluation")
    return evaluate(float_model, samples)


def time_float(
    float_model: bytes, calibration_set: dict[str, np.ndarray], baseline: dict[str, Any]
) -> dict[str, Any]:
    """Measure the float model's latency."""
    latency = recipe.check(recipe.Baseline, baseline).latency
    return measure({"float": float_model}, calibration_set["x"][0], latency)
