"""Wiring of the ``validation`` stage: the int8 model in, a report and a verdict out."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node, pipeline

from quantline.pipelines.validation.nodes import check_tensors, enforce_integer_only


def create_pipeline() -> Pipeline:
    """Build the pipeline."""
    return pipeline(
        [
            node(
                check_tensors, ["int8_model", "recipe"], "validation_report", name="check_tensors"
            ),
            node(
                enforce_integer_only,
                ["validation_report", "params:validation"],
                "integer_only",
                name="enforce_integer_only",
            ),
        ],
        tags="validation",
    )
