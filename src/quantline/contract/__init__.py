"""Checks of a model: integer-only, the 8-bit specification, targets, golden vectors."""

from quantline.contract.diagnosis import explain_operator, with_reasons
from quantline.contract.finding import ContractReport, Finding
from quantline.contract.model_check import check_against_recipe, check_model, enforce
from quantline.contract.preflight import FloatReason, preflight
from quantline.contract.trial import try_to_run

__all__ = [
    "ContractReport", "Finding", "FloatReason", "check_against_recipe", "check_model", "enforce",
    "explain_operator", "preflight", "try_to_run", "with_reasons",
]  # fmt: skip
