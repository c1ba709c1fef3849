"""Wiring of the ``evaluation`` stage: the int8 model in, its scores on CPU and Edge TPU out."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node, pipeline

from quantline.pipelines.evaluation.nodes import (
    compare_models,
    predict_edgetpu,
    predict_int8,
    time_models,
)


def create_pipeline() -> Pipeline:
    """Build the pipeline."""
    return pipeline(
        [
            node(
                predict_int8,
                ["int8_model", "integer_only", "params:dataset", "manifest"],
                ["int8_predictions", "int8_metrics"],
                name="predict_int8",
            ),
            node(
                compare_models,
                ["float_predictions", "int8_predictions", "float_model", "int8_model"],
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
                "edgetpu_report",
                name="predict_edgetpu",
            ),
        ],
        tags="evaluation",
    )
