"""The ``preflight`` stage: the float model in, the operators that will stay float out."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import Any

from kedro.pipeline import Pipeline, node, pipeline

from quantline import recipe
from quantline.contract.preflight import preflight, require_quantizable
from quantline.quantization import SCHEMES
from quantline.tflite import read

logger = logging.getLogger(__name__)


def predict_unquantizable(
    float_model: bytes, conversion: dict[str, Any], validation: dict[str, Any]
) -> dict[str, Any]:
    """Say what will stay float before it is calibrated; stop where only integers are promised."""
    asked = recipe.check(recipe.Conversion, conversion)
    required = recipe.check(recipe.Validation, validation).integer_only
    if required is None:
        required = not SCHEMES[asked.scheme].allows_float
    findings = preflight(read(float_model), asked.scheme, asked.backend)
    if required:
        require_quantizable(findings)
    for finding in findings:
        logger.warning("operator %s %s: %s", finding.operator, finding.type, finding.found)
    return {"evidence": "predicted", "findings": [asdict(finding) for finding in findings]}


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
