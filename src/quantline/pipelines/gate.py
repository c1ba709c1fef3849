"""The ``gate`` stage: candidate and champion in, one verdict out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kedro.pipeline import Pipeline, node, pipeline

from quantline import recipe
from quantline.evaluation import evaluate, measure
from quantline.evaluation.predict import CLASSIFICATION, SCHEMA
from quantline.evaluation.stored import read_predictions
from quantline.release.gate import (
    JUDGED,
    REPORTS,
    about_champion,
    evaluation_sha256,
    judge_candidate,
    require_same_ports,
)
from quantline.results import Origin, read_result
from quantline.sampling import CalibrationSet, stream

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


_MANIFEST, _PREDICTIONS = "manifest.json", "int8_predictions.parquet"


def predict_champion(
    champion: dict[str, bytes],
    int8_model: bytes,
    manifest: dict[str, Any],
    dataset: dict[str, Any],
    task: dict[str, Any],
    float_model: bytes,
) -> pa.Table:
    """Return the champion's predictions on this manifest, made anew where its own was another."""
    if _version(champion) is None:
        return SCHEMA.empty_table()
    require_same_ports(champion["int8.tflite"], int8_model)
    own = read_result("manifest", champion[_MANIFEST], Origin.of_champion(_MANIFEST))
    chosen = recipe.check(recipe.Task, task).chosen()
    same = evaluation_sha256(own) == evaluation_sha256(manifest)
    # Those of other tasks depend on the parameters of the task, which the champion does not keep.
    if same and chosen == CLASSIFICATION:
        stored = read_predictions(champion[_PREDICTIONS], Origin.of_champion(_PREDICTIONS))
        if stored.column_names == SCHEMA.names:
            return stored
    samples = stream(recipe.check(recipe.Dataset, dataset), manifest, "evaluation")
    return evaluate(champion["int8.tflite"], samples, chosen, float_model)[0]


def time_champion(
    champion: dict[str, bytes],
    int8_model: bytes,
    calibration_set: dict[str, np.ndarray],
    evaluation: dict[str, Any],
) -> dict[str, Any]:
    """Measure the latency of champion and candidate, interleaved; nothing without a champion."""
    if _version(champion) is None:
        return {}
    require_same_ports(champion["int8.tflite"], int8_model)
    latency = recipe.check(recipe.Evaluation, evaluation).latency
    models = {"champion": champion["int8.tflite"], "int8": int8_model}
    return measure(models, CalibrationSet.of(calibration_set).samples(1)[0], latency)


def judge_all(gate: dict[str, Any], task: dict[str, Any], **results: Any) -> dict[str, Any]:
    """Hold the candidate to every rule."""
    chosen = recipe.check(recipe.Task, task).chosen()
    return judge_candidate(results, recipe.check(recipe.Gate, gate), chosen)


def _version(champion: dict[str, bytes]) -> int | None:
    version: int | None = about_champion(champion)["version"]
    return version


def create_pipeline() -> Pipeline:
    """Build the pipeline."""
    return pipeline(
        [
            node(
                predict_champion,
                [
                    "champion",
                    "int8_model",
                    "manifest",
                    "params:dataset",
                    "params:task",
                    "float_model",
                ],
                "champion_predictions",
                name="predict_champion",
            ),
            node(
                time_champion,
                ["champion", "int8_model", "calibration_set", "params:evaluation"],
                "champion_latency",
                name="time_champion",
            ),
            node(
                judge_all,
                {
                    "gate": "params:gate",
                    "task": "params:task",
                    **{name: name for name in (*JUDGED, *REPORTS)},
                },
                "gate",
                name="judge_candidate",
            ),
        ],
        tags="gate",
    )
