"""Wiring of the ``validation`` stage: the int8 model in, reports and a verdict out."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node, pipeline

from quantline.pipelines.validation.behaviour import (
    check_golden,
    measure_kernels,
    measure_layers,
)
from quantline.pipelines.validation.nodes import check_tensors, enforce_contract


def create_pipeline() -> Pipeline:
    """Build the pipeline."""
    return pipeline(
        [
            node(
                check_tensors,
                ["int8_model", "float_model", "recipe", "params:validation"],
                "validation_report",
                name="check_tensors",
            ),
            node(
                enforce_contract,
                ["validation_report", "params:validation"],
                "integer_only",
                name="enforce_contract",
            ),
            node(
                check_golden, ["int8_model", "golden_vectors"], "golden_report", name="check_golden"
            ),
            node(
                measure_kernels,
                ["int8_model", "calibration_set"],
                "kernels_report",
                name="measure_kernels",
            ),
            node(
                measure_layers,
                ["float_model", "int8_model", "calibration_set"],
                "layers_report",
                name="measure_layers",
            ),
        ],
        tags="validation",
    )
