"""Wiring of the ``conversion`` stage: float model and ranges in, int8 model and recipe out."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node, pipeline

from quantline.pipelines.conversion.nodes import check_outputs, convert, make_golden


def create_pipeline() -> Pipeline:
    """Build the pipeline."""
    return pipeline(
        [
            node(
                convert,
                [
                    "float_model",
                    "float_import",
                    "ranges",
                    "calibration_set",
                    "params:conversion",
                    "params:model",
                ],
                ["int8_model", "recipe"],
                name="convert",
            ),
            node(check_outputs, ["recipe", "params:conversion"], None, name="check_outputs"),
            node(
                make_golden,
                ["int8_model", "calibration_set"],
                "golden_vectors",
                name="make_golden",
            ),
        ],
        tags="conversion",
    )
