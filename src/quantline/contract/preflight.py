"""The operators of a float model that will stay float, before calibration: reasons and remedies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from quantline.contract.finding import Finding, Severity, counted, listed, remedies
from quantline.contract.integer_forms import (
    CLIPPING,
    MEASURED,
    TIED,
    has_form,
    has_kernel,
    rewrite,
    width,
)
from quantline.contract.model_check import replace_or_allow
from quantline.contract.rules import broken
from quantline.errors import CheckFailed
from quantline.quantization import litert_backend
from quantline.quantization.schemes import SCHEMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantline.tflite import Graph, Operator, Subgraph

    _Parts = tuple[Severity, str, str, str | None]

Kind = Literal["no_form", "variant", "neighbour", "custom", "kept", "no_range", "order", "scheme"]
"""``no_form``: the back end has no integer form of the operator's type. ``variant``: it has one,
but not for this use of it. ``neighbour``: an operator next to it stays float, and so does it.
``custom``: what it computes is not known. ``kept``: a parameter says so. ``no_range``: no range of
it was recorded. ``order``: TensorFlow visited operators in an order that left it.
``scheme``: activations are float by design."""

_FALLBACK = "`scheme='int8_float_fallback'` leaves it in float"


@dataclass(frozen=True)
class FloatReason:
    """The reason why an operator stays float."""

    kind: Kind
    text: str  # the reason, as a part of a sentence
    remedy: str | None  # the remedy, as a sentence; None where there is nothing to do


def find_float_operators(
    graph: Graph, scheme: str, backend: str
) -> dict[tuple[int, int], FloatReason]:
    """Return the operators of a float model that will stay float: reasons by subgraph and operator.

    With TensorFlow's int16x8, which refuses a model that it cannot quantize as a whole, they are
    the operators it names.

    Raises:
        DependencyError: The back end is not installed.
    """
    left = set(litert_backend.left_in_float(graph, scheme)) if backend == "litert" else set()
    conversion = _Conversion(graph, scheme, backend, left)
    found: dict[tuple[int, int], FloatReason] = {}
    for subgraph in graph.subgraphs:
        floats: dict[int, Operator] = {}  # by what they write
        for operator in subgraph.operators:
            reason = conversion.reason(subgraph, operator, floats)
            if reason is not None:
                found[subgraph.index, operator.index] = reason
                if reason.kind in ("custom", "no_form"):
                    floats |= dict.fromkeys(operator.outputs, operator)
    return found


def port_dtypes(subgraph: Subgraph, operator: Operator) -> set[str]:
    """Return the dtypes of an operator's inputs and outputs."""
    return {tensor.dtype for tensor in subgraph.tensors_at((*operator.inputs, *operator.outputs))}


@dataclass(frozen=True)
class _Conversion:
    """The conversion of a float model by a scheme and a back end."""

    graph: Graph
    scheme: str
    backend: str
    left: set[str]  # operator types that litert-quantizer leaves in float

    def reason(
        self, subgraph: Subgraph, operator: Operator, floats: dict[int, Operator]
    ) -> FloatReason | None:
        """Return the reason why an operator stays float; ``floats`` do, by what they write."""
        kind, is_tensorflow = operator.type, self.backend == "tensorflow"
        refused = is_tensorflow and width(self.scheme) == "int16"
        if not (refused or "float32" in port_dtypes(subgraph, operator)):
            return None
        if operator.is_custom:
            text = f"{kind} is a custom operator: no back end knows what it computes"
            return FloatReason("custom", text, _without(self.graph, operator))
        if kind in self.left or (is_tensorflow and has_form(kind, self.scheme) is False):
            return self._no_form(subgraph, operator)
        reason = self._variant(subgraph, operator)
        if reason is None and is_tensorflow and not refused:
            return _tied(subgraph, operator, floats)
        return reason

    def _no_form(self, subgraph: Subgraph, operator: Operator) -> FloatReason:
        kind, bits = operator.type, width(self.scheme)
        is_litert = self.backend == "litert"
        made = "litert-quantizer" if is_litert else f"TensorFlow ({MEASURED})"
        another = rewrite(kind, self.scheme, self.backend)
        if kind == "CAST" and subgraph.tensors[operator.inputs[0]].dtype != "bool":
            another = None  # the rewrite is one of conditions
        if is_litert and has_form(kind, self.scheme):
            remedy = f"Use `backend='tensorflow'`, which has an {bits} form of it"
        elif another is not None:
            remedy = another.text
        elif bits == "int16" and has_form(kind, "int8") and not is_litert:
            remedy = "Use `scheme='int8'`, which has a form of it"
        else:
            remedy = _without(self.graph, operator)
        return FloatReason("no_form", f"{kind} has no {bits} form in {made}", remedy)

    def _variant(self, subgraph: Subgraph, operator: Operator) -> FloatReason | None:
        unread = set(operator.outputs) - subgraph.consumers.keys() - {*subgraph.outputs}
        if self.backend == "litert":
            if operator.type != "SPLIT" or not unread:
                return None
            text = (
                "SPLIT gives an output that nothing reads, which litert-quantizer leaves in float: "
                "LiteRT cannot load the model"
            )
            return FloatReason("variant", text, "Use `backend='tensorflow'`")
        if operator.type == "TOPK_V2" and operator.outputs[0] in unread:
            text = "TOPK_V2 gives only indices here: TensorFlow quantizes it by its values alone"
            return FloatReason("variant", text, _without(self.graph, operator))
        if operator.type == "PADV2" and width(self.scheme) == "int16":
            another = rewrite(operator.type, self.scheme, self.backend)
            text = "PADV2 keeps its 'constant_values' in float, and LiteRT cannot load the model"
            return FloatReason("variant", text, another.text if another else None)
        return None


def _tied(
    subgraph: Subgraph, operator: Operator, floats: dict[int, Operator]
) -> FloatReason | None:
    """Return why an operator follows one that it shares a scale with."""
    if operator.type not in TIED:
        return None
    for index in operator.inputs:
        if index in floats and subgraph.tensors[index].dtype == "float32":
            source = floats[index]
            text = (
                f"{operator.type} shares one scale among its inputs, of which operator "
                f"{source.index} {source.type} stays float"
            )
            remedy = f"Replace {source.type}; this operator needs nothing"
            return FloatReason("neighbour", text, remedy)
    return None


def _without(graph: Graph, operator: Operator) -> str:
    """Return the remedy for an operator that has no rewrite."""
    given = set(operator.outputs)
    if given & set(graph.main.outputs) and not given & graph.main.consumers.keys():
        return (
            f"No rewrite is known. Let the model end at what {operator.type} reads, and compute "
            f"it in the application; or {_FALLBACK}"
        )
    return f"No rewrite is known; {_FALLBACK}"


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
