"""Nodes of the ``validation`` stage."""

from __future__ import annotations

import logging
from typing import Any

from quantline import recipe as parameters
from quantline.contract import Offender, check, enforce
from quantline.tflite import read

logger = logging.getLogger(__name__)


def check_tensors(int8_model: bytes, recipe: dict[str, Any]) -> dict[str, Any]:
    """Check every tensor of the converted model; the report is kept even where the run stops."""
    report = check(
        read(int8_model, "the int8 model"),
        float_input=recipe["input_type"] == "float32",
        float_output=recipe["output_type"] == "float32",
    )
    return {**report.to_dict(), "promised": recipe["integer_only"]}


def enforce_integer_only(
    validation_report: dict[str, Any], validation: dict[str, Any]
) -> dict[str, Any]:
    """Stop where integer-only was asked for and does not hold; return the short verdict."""
    offenders = [Offender(**each) for each in validation_report["offenders"]]
    asked = parameters.check(parameters.Validation, validation).integer_only
    required = validation_report["promised"] if asked is None else asked
    if required:
        enforce(offenders)
    for each in offenders:
        logger.warning("operator %s %s stays float: %s", each.index, each.type, each.reason)
    kept = ("evidence", "integer_only", "operators", "float_operators", "tensors",
            "integer_tensors", "input_types", "output_types")  # fmt: skip
    return {
        **{key: validation_report[key] for key in kept},
        "interface_operators": len(validation_report["interface"]),
        "required": required,
    }
