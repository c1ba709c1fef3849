"""Nodes of the ``validation`` stage."""

from __future__ import annotations

import logging
from typing import Any

from quantline import recipe as parameters
from quantline.contract import ContractReport, check_against_recipe, enforce, with_reasons
from quantline.contract.targets import check_target, enforce_target, load
from quantline.tflite import read

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
