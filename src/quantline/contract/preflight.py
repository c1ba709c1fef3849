"""Before calibration: the operators of a float model that will stay float, reasons and remedies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantline.contract.finding import counted, listed, remedies
from quantline.contract.integer_forms import (
    CLIPPING,
    MEASURED,
    has_form,
    has_kernel,
    rewrite,
    width,
)
from quantline.contract.integer_only import replace_or_allow
from quantline.contract.reasons import find_float_operators, port_dtypes
from quantline.contract.rules import broken
from quantline.errors import CheckFailed
from quantline.quantization.schemes import SCHEMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantline.contract.finding import Finding, Severity
    from quantline.tflite import Graph, Operator, Subgraph

    _Parts = tuple[Severity, str, str, str | None]

_RUNNABLE = "an operator that LiteRT has a kernel for"


def preflight(float_graph: Graph, scheme: str, backend: str) -> tuple[Finding, ...]:
    """Predict the operators that a conversion will leave in float, from the float model alone.

    Operators that TensorFlow leaves in float because it visits others in a certain order,
    are not predicted: ``MAX_POOL_2D`` between a ``SIN`` and a ``CONCATENATION``, for instance.

    Args:
        float_graph: The float model.
        scheme: The scheme's name.
        backend: ``tensorflow`` or ``litert``.

    Returns:
        Findings of the rule ``integer.predicted``, for each operator that will stay float or that
        makes the back end refuse the model. Notes: ``predicted.kernel``, where LiteRT cannot run
        what it becomes; ``predicted.clipped``, where TensorFlow clips what other operators read;
        and ``predicted.unknown``, where its type is not in the table. Nothing for schemes whose
        activations are float by design.

    Raises:
        DependencyError: The back end is not installed.
    """
    if not SCHEMES[scheme].integer:
        return ()
    reasons = find_float_operators(float_graph, scheme, backend)
    severity: Severity = "note" if SCHEMES[scheme].allows_float else "integer_only"
    expected = f"an operator that the back end '{backend}' makes {width(scheme)}"
    found = []
    for subgraph in float_graph.subgraphs:
        for operator in subgraph.operators:
            reason = reasons.get((subgraph.index, operator.index))
            if reason is not None:
                parts: _Parts = (severity, reason.text, expected, reason.remedy)
                found.append(_finding("integer.predicted", subgraph, operator, parts))
            elif "float32" in port_dtypes(subgraph, operator):
                found += _notes(subgraph, operator, scheme, backend)
    return tuple(found)


def require_quantizable(findings: Sequence[Finding]) -> None:
    """Stop where operators will stay float, by the findings of :func:`preflight`.

    Raises:
        CheckFailed: With all of them by operator type, and the first twenty in full.
    """
    floats = [finding for finding in findings if finding.breaks_integer_only]
    if floats:
        raise CheckFailed(
            "The float model cannot be converted to integers only",
            found=f"{counted(len(floats), 'operator')} that will stay float {listed(floats)}",
            expected="; ".join(dict.fromkeys(finding.expected for finding in floats)),
            remedy=remedies(floats, replace_or_allow(floats)),
        )


def _notes(subgraph: Subgraph, operator: Operator, scheme: str, backend: str) -> list[Finding]:
    kind, bits = operator.type, width(scheme)
    another = rewrite(kind, scheme, backend)
    remedy = another.text if another is not None else None
    computed = kind == "CONV_2D" and subgraph.tensors[operator.inputs[1]].constant is None
    found = []
    if computed and bits == "int8":
        text = f"CONV_2D reads computed weights: LiteRT 2.3.0 cannot load it in int8 ({MEASURED})"
        parts: _Parts = ("note", text, _RUNNABLE, "Use `scheme='int16x8'`")
        found.append(_finding("predicted.kernel", subgraph, operator, parts))
    if backend != "tensorflow":
        return found
    if has_form(kind, scheme) is None:
        text = f"whether TensorFlow has an {bits} form of {kind} was not measured"
        parts = ("note", text, "an operator of the table in docs/left-in-float.md", None)
        found.append(_finding("predicted.unknown", subgraph, operator, parts))
    elif not has_kernel(kind, scheme):
        text = f"{kind} becomes {bits}, but LiteRT 2.3.0 cannot run it so ({MEASURED})"
        parts = ("note", text, _RUNNABLE, remedy)
        found.append(_finding("predicted.kernel", subgraph, operator, parts))
    elif kind in CLIPPING and bits == "int8" and (shared := _shared(subgraph, operator)):
        text = (
            f"{kind} reads '{shared}', and so do others: TensorFlow gives it the scale of what "
            f"{kind} gives, which can clip it for the others too ({MEASURED})"
        )
        parts = ("note", text, f"an input that {kind} alone reads", remedy)
        found.append(_finding("predicted.clipped", subgraph, operator, parts))
    return found


def _shared(subgraph: Subgraph, operator: Operator) -> str | None:
    """Return the name of a computed input that others read too, or None."""
    for index in operator.inputs:
        readers = len(subgraph.consumers.get(index, ()))
        if subgraph.tensors[index].constant is None and readers + (index in subgraph.outputs) > 1:
            return subgraph.tensors[index].name
    return None


def _finding(rule: str, subgraph: Subgraph, operator: Operator, parts: _Parts) -> Finding:
    severity, found, expected, remedy = parts
    tensor = subgraph.tensors[operator.outputs[0]]
    return broken(rule, subgraph, operator, tensor, found,
                  severity=severity, expected=expected, remedy=remedy)  # fmt: skip
