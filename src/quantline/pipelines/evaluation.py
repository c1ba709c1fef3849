"""The ``evaluation`` stage: the int8 model in, its scores on CPU and Edge TPU out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kedro.pipeline import Pipeline, node, pipeline

from quantline import edgetpu, recipe
from quantline.edgetpu.if_available import compile_if_available, run_if_available
from quantline.evaluation import compare, evaluate, measure
from quantline.evaluation.metrics import score_task
from quantline.evaluation.paired import per_class
from quantline.evaluation.predict import SCHEMA, run_task
from quantline.sampling import CalibrationSet, stream

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import pyarrow as pa

    from quantline.sampling.stream import Sample

# The files of the compiled model, named as the compiler names them.
COMPILED, COMPILED_LOG = "int8_edgetpu.tflite", "int8_edgetpu.log"


def predict_int8(
    int8_model: bytes,
    integer_only: dict[str, Any],
    dataset: dict[str, Any],
    manifest: dict[str, Any],
    task: dict[str, Any],
    float_model: bytes,
) -> tuple[pa.Table, dict[str, Any]]:
    """Predict the evaluation set with the int8 model and score the predictions."""
    samples = stream(recipe.check(recipe.Dataset, dataset), manifest, "evaluation")
    chosen = recipe.check(recipe.Task, task).chosen()
    return evaluate(int8_model, samples, chosen, float_model)


def compare_models(
    float_predictions: pa.Table,
    int8_predictions: pa.Table,
    float_model: bytes,
    int8_model: bytes,
    task: dict[str, Any],
) -> dict[str, Any]:
    """Compare the two models' predictions, class by class, and their sizes."""
    chosen = recipe.check(recipe.Task, task).chosen()
    return {
        **compare(float_predictions, int8_predictions, chosen),
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
    return measure(models, CalibrationSet.of(calibration_set).samples(1)[0], latency)


def predict_edgetpu(
    int8_model: bytes,
    integer_only: dict[str, Any],
    evaluation: dict[str, Any],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Predict what the Edge TPU does with the model, and time what it would leave to the CPU."""
    wanted = recipe.check(recipe.Evaluation, evaluation).edgetpu
    found = edgetpu.evaluate(int8_model, wanted.runtime_version, wanted.multiple_subgraphs)
    report = found.to_dict()
    return report, report.pop("latency_ms")


def compile_edgetpu(
    int8_model: bytes, integer_only: dict[str, Any], evaluation: dict[str, Any]
) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Compile the model for the Edge TPU where that is asked for, or a compiler is there."""
    wanted = recipe.check(recipe.Evaluation, evaluation).edgetpu
    compiled, log, report = compile_if_available(int8_model, wanted)
    files = {} if compiled is None else {COMPILED: compiled, COMPILED_LOG: log.encode()}
    return files, report


def run_edgetpu(
    edgetpu_model: dict[str, bytes],
    int8_model: bytes,
    dataset: dict[str, Any],
    manifest: dict[str, Any],
    evaluation: dict[str, Any],
    task: dict[str, Any],
    float_model: bytes,
) -> tuple[pa.Table, dict[str, Any]]:
    """Run the compiled model on the evaluation set where a device is asked for, or is there."""
    wanted = recipe.check(recipe.Evaluation, evaluation).edgetpu
    chosen = recipe.check(recipe.Task, task).chosen()

    def samples() -> Iterator[Sample]:
        return stream(recipe.check(recipe.Dataset, dataset), manifest, "evaluation")

    inputs = (sample.x for sample in samples())
    run, report = run_if_available(edgetpu_model.get(COMPILED), inputs, int8_model, wanted)
    if run is None:
        return SCHEMA.empty_table(), report
    outputs = zip(*run.real_outputs(), strict=True)
    predictions, scorer = run_task(int8_model, samples(), chosen, float_model, outputs=outputs)
    return predictions, {**report, "metrics": score_task(predictions, chosen, scorer.about)}


def create_pipeline() -> Pipeline:
    """Build the pipeline."""
    return pipeline(
        [
            node(
                predict_int8,
                [
                    "int8_model",
                    "integer_only",
                    "params:dataset",
                    "manifest",
                    "params:task",
                    "float_model",
                ],
                ["int8_predictions", "int8_metrics"],
                name="predict_int8",
            ),
            node(
                compare_models,
                [
                    "float_predictions",
                    "int8_predictions",
                    "float_model",
                    "int8_model",
                    "params:task",
                ],
                "comparison",
                name="compare_models",
            ),
            node(
                time_models,
                [
                    "float_model",
                    "int8_model",
                    "integer_only",
                    "calibration_set",
                    "params:evaluation",
                ],
                "latency",
                name="time_models",
            ),
            node(
                predict_edgetpu,
                ["int8_model", "integer_only", "params:evaluation"],
                ["edgetpu_report", "edgetpu_latency"],
                name="predict_edgetpu",
            ),
            node(
                compile_edgetpu,
                ["int8_model", "integer_only", "params:evaluation"],
                ["edgetpu_model", "edgetpu_compilation"],
                name="compile_edgetpu",
            ),
            node(
                run_edgetpu,
                [
                    "edgetpu_model",
                    "int8_model",
                    "params:dataset",
                    "manifest",
                    "params:evaluation",
                    "params:task",
                    "float_model",
                ],
                ["edgetpu_predictions", "edgetpu_run"],
                name="run_edgetpu",
            ),
        ],
        tags="evaluation",
    )
