"""The ``validation`` stage: the int8 model in, reports and a verdict out."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from kedro.pipeline import Pipeline, node, pipeline

from quantline import recipe as parameters
from quantline.contract import ContractReport, check_against_recipe, enforce, golden, with_reasons
from quantline.contract.kernels import compare_kernels
from quantline.contract.layers import compare_layers
from quantline.contract.targets import check_target, enforce_target, load
from quantline.contract.vectors import Golden
from quantline.sampling import CalibrationSet
from quantline.tflite import read

if TYPE_CHECKING:
    import numpy as np


logger = logging.getLogger(__name__)


def check_tensors(
    int8_model: bytes, float_model: bytes, recipe: dict[str, Any], validation: dict[str, Any]
) -> dict[str, Any]:
    """Check every tensor of the converted model; the report is kept even where the run stops."""
    graph = read(int8_model, "the int8 model")
    report = check_against_recipe(graph, recipe)
    report = with_reasons(report, read(float_model, "the float model"), graph, recipe)
    target = parameters.check(parameters.Validation, validation).target
    if target is not None:
        report = check_target(report, graph, load(target), len(int8_model))
    return {**report.to_dict(), "promised": recipe["integer_only"]}


def enforce_contract(
    validation_report: dict[str, Any], validation: dict[str, Any]
) -> dict[str, Any]:
    """Stop where integer-only or a target was asked for and is not kept; return the verdict."""
    report = ContractReport.from_dict(validation_report)
    asked = parameters.check(parameters.Validation, validation).integer_only
    required = validation_report["promised"] if asked is None else asked
    if required:
        enforce(report)
    enforce_target(report)
    for finding in report.findings:
        if finding.breaks_integer_only:
            logger.warning(
                "operator %s %s stays float: %s", finding.operator, finding.type, finding.found
            )
        elif finding.severity == "specification":
            logger.warning(
                "%s: %s has %s instead of %s",
                finding.rule,
                finding.type,
                finding.found,
                finding.expected,
            )
    kept = ("evidence", "integer_only", "specification", "held_to", "target", "operators",
            "float_operators", "tensors", "integer_tensors", "input_types", "output_types",
            "findings_by_severity")  # fmt: skip
    return {
        **{key: validation_report[key] for key in kept},
        "interface_operators": len(validation_report["interface"]),
        "required": required,
    }


_SAMPLES = 32  # enough to rank layers by; the calibration set may be of thousands


def check_golden(int8_model: bytes, golden_vectors: dict[str, np.ndarray]) -> dict[str, Any]:
    """Stop where the quantized model does not give the outputs that were kept with it."""
    kept = Golden.from_arrays(golden_vectors)
    golden.enforce(kept, golden.check(int8_model, kept))
    return {
        "evidence": "measured",
        "vectors": [vector.source for vector in kept.vectors],
        "kernels": kept.kernels,
        "tolerance": kept.tolerance,
    }


def measure_kernels(int8_model: bytes, calibration_set: dict[str, np.ndarray]) -> dict[str, Any]:
    """Run the quantized model on each set of kernels and compare what they give."""
    return compare_kernels(
        int8_model, CalibrationSet.of(calibration_set).samples(_SAMPLES)
    ).to_dict()


def measure_layers(
    float_model: bytes, int8_model: bytes, calibration_set: dict[str, np.ndarray]
) -> dict[str, Any]:
    """Compare the float and the quantized model layer by layer, the worst first."""
    samples = CalibrationSet.of(calibration_set).samples(_SAMPLES)
    errors = compare_layers(float_model, int8_model, samples)
    return {
        "evidence": "measured",
        "samples": len(samples),
        "layers": [error.to_dict() for error in errors],
    }


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
