"""Wiring of the ``calibration`` stage: float model and calibration set in, ranges out."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node, pipeline

from quantline.pipelines.calibration.nodes import (
    check_convergence,
    lint_calibration,
    record_ranges,
)


def create_pipeline() -> Pipeline:
    """Build the pipeline."""
    return pipeline(
        [
            node(
                lint_calibration,
                [
                    "float_model",
                    "calibration_set",
                    "manifest",
                    "params:dataset",
                    "params:calibration",
                ],
                "calibration_lint",
                name="lint_calibration",
            ),
            node(
                record_ranges,
                [
                    "float_model",
                    "calibration_set",
                    "manifest",
                    "calibration_lint",
                    "params:calibration",
                ],
                "ranges",
                name="record_ranges",
            ),
            node(
                check_convergence,
                ["float_model", "calibration_set", "calibration_lint", "params:calibration"],
                "calibration_report",
                name="check_convergence",
            ),
        ],
        tags="calibration",
    )
