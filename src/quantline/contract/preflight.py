"""Before calibration: which operators of a float model will stay float, why, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantline.contract.integer_forms import MEASURED, has_form, has_kernel, width
from quantline.contract.reasons import dtypes, known
from quantline.contract.rewrites import rewrite
from quantline.contract.rules import broken
from quantline.quantization.schemes import SCHEMES

if TYPE_CHECKING:
    from quantline.contract.finding import Finding, Severity
    from quantline.tflite import Graph, Operator, Subgraph

    _Told = tuple[Severity, str, str, str | None]


def preflight(float_graph: Graph, scheme: str, backend: str) -> tuple[Finding, ...]:
    """Say what a conversion will leave in float, from the float model alone.

    Operators that TensorFlow leaves beside others, because it happens to visit them in that order,
    are not foretold: ``MAX_POOL_2D`` between a ``SIN`` and a ``CONCATENATION``, for instance.

    Args:
        float_graph: The float model.
        scheme: The scheme's name.
        backend: ``tensorflow`` or ``litert``.

    Returns:
        Findings of the rule ``integer.foretold``, for each operator that will stay float or that
        makes the back end refuse the model; notes of ``foretold.kernel``, where LiteRT cannot run
        what it becomes, and of ``foretold.unknown``, where its type is not in the table. Nothing
        for schemes whose activations are float by design.

    Raises:
        PackageMissing: The back end is not installed.
    """
    if not SCHEMES[scheme].integer:
        return ()
    reasons = known(float_graph, scheme, backend)
    severity: Severity = "note" if SCHEMES[scheme].allows_float else "integer_only"
    expected = f"an operator that the back end '{backend}' makes {width(scheme)}"
    found = []
    for subgraph in float_graph.subgraphs:
        for operator in subgraph.operators:
            reason = reasons.get((subgraph.index, operator.index))
            if reason is not None:
                told: _Told = (severity, reason.text, expected, reason.remedy)
                found.append(_finding("integer.foretold", subgraph, operator, told))
            elif "float32" in dtypes(subgraph, operator):
                found += _notes(subgraph, operator, scheme, backend)
    return tuple(found)


def _notes(subgraph: Subgraph, operator: Operator, scheme: str, backend: str) -> list[Finding]:
    kind, bits = operator.type, width(scheme)
    if backend == "tensorflow" and has_form(kind, scheme) is None:
        text = f"whether TensorFlow has an {bits} form of {kind} was not measured"
        expected = "an operator of the table in docs/left-in-float.md"
        return [_finding("foretold.unknown", subgraph, operator, ("note", text, expected, None))]
    computed = kind == "CONV_2D" and subgraph.tensors[operator.inputs[1]].constant is None
    if (backend == "litert" or has_kernel(kind, scheme)) and not (computed and bits == "int8"):
        return []
    another = rewrite(kind, scheme, backend)
    remedy = another.text if another is not None else None
    if computed:
        kind, remedy = "CONV_2D with computed weights", "Set 'conversion.scheme: int16x8'"
    text = f"{kind} becomes {bits}, but LiteRT 2.3.0 cannot run it so ({MEASURED})"
    expected = "an operator that LiteRT has a kernel for"
    return [_finding("foretold.kernel", subgraph, operator, ("note", text, expected, remedy))]


def _finding(rule: str, subgraph: Subgraph, operator: Operator, told: _Told) -> Finding:
    severity, found, expected, remedy = told
    tensor = subgraph.tensors[operator.outputs[0]]
    return broken(rule, subgraph, operator, tensor, found,
                  severity=severity, expected=expected, remedy=remedy)  # fmt: skip
