"""Wiring of the ``calibration`` stage: float model and calibration set in, ranges out."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node, pipeline

from quantline.pipelines.calibration.nodes import record_ranges


def create_pipeline() -> Pipeline:
    """Build the pipeline."""
    return pipeline(
        [
            node(
                record_ranges,
                ["float_model", "calibration_set", "manifest"],
                "ranges",
                name="record_ranges",
            )
        ],
        tags="calibration",
    )
