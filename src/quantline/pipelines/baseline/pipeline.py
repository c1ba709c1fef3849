"""Wiring of the ``baseline`` stage: the trained model in, a float ``.tflite``, its scores out."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node, pipeline

from quantline.pipelines.baseline.nodes import import_model, predict_float, time_float


def create_pipeline() -> Pipeline:
    """Build the pipeline."""
    return pipeline(
        [
            node(
                import_model,
                ["params:model", "params:baseline", "calibration_set", "manifest", "params:limits"],
                ["float_model", "float_import"],
                name="import_model",
            ),
            node(
                predict_float,
                ["float_model", "params:dataset", "manifest"],
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
