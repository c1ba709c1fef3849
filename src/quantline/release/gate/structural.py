"""Rules about what the model is: they hold or they do not, whatever it predicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from quantline.contract.trial import try_to_run
from quantline.errors import QuantlineError
from quantline.files import sha256
from quantline.recipe import IoType
from quantline.release.gate.row import Outcome, Row, passes

if TYPE_CHECKING:
    from quantline.release.gate.evidence import Evidence, Metrics


def structural(evidence: Evidence, metrics: Metrics) -> list[Row]:
    """Judge what the model is."""
    return [
        _recipe(evidence, metrics),
        _integer_only(metrics),
        _target(metrics),
        _interface(metrics, "input"),
        _interface(metrics, "output"),
        _golden(metrics),
        _loads(evidence),
    ]


def _recipe(evidence: Evidence, metrics: Metrics) -> Row:
    rule, found = "structural.recipe", sha256(evidence.int8_model)
    recorded = metrics.get("recipe.int8_model_sha256")
    if recorded is None:
        return _missing(rule, "recipe.int8_model_sha256")
    same = found == recorded
    why = "The recipe is that of the model." if same else "The recipe is that of another model."
    return Row(rule, passes(same), why, limit=recorded, value=found, evidence="parsed")


def _integer_only(metrics: Metrics) -> Row:
    rule, name = "structural.integer_only", "integer_only.integer_only"
    value = metrics.get(name)
    if value is None:
        return _missing(rule, name)
    if not metrics.get("integer_only.required"):
        why = "Integers only were neither asked for nor promised by the scheme."
        return Row(rule, Outcome.SKIPPED, why, value=value, evidence=metrics.evidence(name))
    floats = metrics.get("integer_only.float_operators")
    why = "Every operator computes with integers." if value else f"{floats} operators do not."
    return Row(rule, passes(value), why, limit=True, value=value, evidence=metrics.evidence(name))


def _target(metrics: Metrics) -> Row:
    rule, target = "structural.target", metrics.get("integer_only.target.name")
    if metrics.get("integer_only.integer_only") is None:
        return _missing(rule, "integer_only.target")
    if target is None:
        return Row(rule, Outcome.SKIPPED, "No target was asked for.")
    holds = bool(metrics.get("integer_only.target.holds"))
    why = f"The contract of the target '{target}' is {'kept' if holds else 'broken'}."
    known = metrics.evidence("integer_only.target")
    return Row(rule, passes(holds), why, limit=True, value=holds, evidence=known)


def _interface(metrics: Metrics, side: str) -> Row:
    rule, name = f"structural.{side}_type", f"integer_only.{side}_types"
    declared, types = metrics.get(f"recipe.{side}_type"), metrics.get(name)
    if declared is None or types is None:
        return _missing(rule, f"recipe.{side}_type" if declared is None else name)
    # Indices and masks keep their type: quantization leaves plain integers alone.
    others = sorted({kind for kind in types if kind in get_args(IoType)} - {declared})
    why = f"Its {side} is {declared}, as declared."
    if others:
        why = f"Its {side} is {others[0]}; {declared} was declared."
    known = metrics.evidence(name)
    return Row(rule, passes(not others), why, limit=declared, value=types, evidence=known)


def _golden(metrics: Metrics) -> Row:
    rule, name = "structural.golden_vectors", "golden_report.vectors"
    vectors = metrics.get(name)
    if not vectors:
        return _missing(rule, name)
    # The stage that writes this report stops where a vector is not met.
    why = f"The model gives the outputs of its {len(vectors)} golden vectors."
    known = metrics.evidence(name)
    return Row(rule, Outcome.PASSED, why, limit={"min": 1}, value=len(vectors), evidence=known)


def _loads(evidence: Evidence) -> Row:
    rule = "structural.loads_and_predicts"
    try:
        try_to_run(evidence.int8_model, name="the candidate")
    except QuantlineError as error:
        why = f"{error.what}: {error.found}."
        return Row(rule, Outcome.FAILED, why, limit=True, value=False, evidence="measured")
    why = "A fresh process loads the model and runs it."
    return Row(rule, Outcome.PASSED, why, limit=True, value=True, evidence="measured")


def _missing(rule: str, name: str) -> Row:
    return Row(rule, Outcome.FAILED, f"The result '{name}' is missing.")
