"""Wiring of the ``preflight`` stage: the float model in, the operators that will stay float out."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node, pipeline

from quantline.pipelines.preflight.nodes import predict_unquantizable


def create_pipeline() -> Pipeline:
    """Build the pipeline."""
    return pipeline(
        [
            node(
                predict_unquantizable,
                ["float_model", "params:conversion", "params:validation"],
                "preflight_report",
                name="predict_unquantizable",
            )
        ],
        tags="preflight",
    )
