"""Wiring of the ``preflight`` stage: the float model in, what a conversion will leave float out."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node, pipeline

from quantline.pipelines.preflight.nodes import foretell


def create_pipeline() -> Pipeline:
    """Build the pipeline."""
    return pipeline(
        [
            node(
                foretell,
                ["float_model", "params:conversion", "params:validation"],
                "preflight_report",
                name="foretell",
            )
        ],
        tags="preflight",
    )
