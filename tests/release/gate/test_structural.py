from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.graphs import convert
from tests.release.gate.cases import Case, row

if TYPE_CHECKING:
    from collections.abc import Mapping


def with_report(case: Case, name: str, changed: Mapping[str, Any]) -> dict[str, Any]:
    report = {**case.evidence().reports[name], **changed}
    return replace(case, reports={name: report}).judge()


@pytest.mark.parametrize(
    ("report", "changed", "rule", "why"),
    [
        (
            "integer_only",
            {"integer_only": False, "float_operators": 3},
            "integer_only",
            "3 operators do not.",
        ),
        (
            "integer_only",
            {"target": {"name": "cpu", "holds": False}},
            "target",
            "The contract of the target 'cpu' is broken.",
        ),
        (
            "integer_only",
            {"input_types": ["float32"]},
            "input_type",
            "Its input is float32; int8 was declared.",
        ),
        (
            "integer_only",
            {"output_types": ["int8", "uint8"]},
            "output_type",
            "Its output is uint8; int8 was declared.",
        ),
        (
            "golden_report",
            {"vectors": []},
            "golden_vectors",
            "The result 'golden_report.vectors' is missing.",
        ),
        (
            "recipe",
            {"int8_model_sha256": "0" * 64},
            "recipe",
            "The recipe is that of another model.",
        ),
    ],
)
def test_a_broken_structure_refuses(
    case: Case, report: str, changed: dict[str, Any], rule: str, why: str
) -> None:
    gate = with_report(case, report, changed)
    assert gate["verdict"] == "refused"
    assert gate["reasons"] == [f"structural.{rule}: {why}"]


@pytest.mark.parametrize("report", ["recipe", "integer_only", "golden_report"])
def test_a_missing_report_fails_its_rules(case: Case, report: str) -> None:
    gate = replace(case, reports={report: {}}).judge()
    assert gate["verdict"] == "refused"
    assert all("is missing." in item for item in gate["reasons"])


def test_what_was_not_asked_for_is_skipped(case: Case) -> None:
    changed = {"integer_only": False, "required": False, "target": None}
    gate = with_report(case, "integer_only", changed)
    assert gate["verdict"] == "passed"
    assert row(gate, "structural.integer_only")["passed"] is None
    assert row(gate, "structural.target")["why"] == "No target was asked for."


def test_indices_beside_a_quantized_input_are_no_offence(case: Case) -> None:
    gate = with_report(case, "integer_only", {"input_types": ["int32", "int8"]})
    assert row(gate, "structural.input_type")["passed"]


def test_a_file_that_cannot_be_loaded_is_told_from_one_that_can(tf: Any) -> None:
    def double(x: Any) -> Any:
        return x + x

    sound = Case(convert(double, tf.TensorSpec((1, 2))), champion=None)
    assert sound.judge()["verdict"] == "passed"
    gate = Case(b"no model at all", champion=None).judge()
    (reason,) = gate["reasons"]
    assert reason.startswith("structural.loads_and_predicts: ")
    assert row(gate, "structural.loads_and_predicts")["evidence"] == "measured"
