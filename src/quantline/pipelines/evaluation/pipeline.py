"""Wiring of the ``evaluation`` stage: the int8 model in, its scores on CPU and Edge TPU out."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node, pipeline

from quantline.pipelines.evaluation.nodes import (
    compare_models,
    compile_edgetpu,
    predict_edgetpu,
    predict_int8,
    run_edgetpu,
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
                ["edgetpu_model", "int8_model", "params:dataset", "manifest", "params:evaluation"],
                ["edgetpu_predictions", "edgetpu_run"],
                name="run_edgetpu",
            ),
        ],
        tags="evaluation",
    )
