"""After quantization: the reason why each float operator stayed float, and the remedy."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from quantline.contract.integer_forms import has_form
from quantline.contract.preflight import FloatReason, find_float_operators
from quantline.quantization.bias_correction import names_before_conversion
from quantline.quantization.schemes import SCHEMES
from quantline.tflite import CONVERSIONS, Graph, Operator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quantline.contract.finding import ContractReport


def explain_operator(
    float_graph: Graph, quantized: Graph, recipe: Mapping[str, Any], operator: Operator
) -> FloatReason:
    """Return the reason why an operator of a converted model's main subgraph stayed float.

    Raises:
        DependencyError: The back end that made it is not installed.
    """
    return _Explainer(float_graph, quantized, recipe).explain(operator)


def with_reasons(
    report: ContractReport, float_graph: Graph, quantized: Graph, recipe: Mapping[str, Any]
) -> ContractReport:
    """Return the report of a converted model with the reason and remedy of what stayed float.

    Raises:
        DependencyError: The back end that made it is not installed.
    """
    explainer = _Explainer(float_graph, quantized, recipe)
    findings = []
    for finding in report.findings:
        if finding.breaks_integer_only and finding.operator is not None and finding.subgraph == 0:
            reason = explainer.explain(quantized.main.operators[finding.operator])
            finding = replace(finding, found=reason.text, remedy=reason.remedy)  # noqa: PLW2901
        findings.append(finding)
    return replace(report, findings=tuple(findings))


@dataclass
class _Explainer:
    """Both models, with look-up tables of their operators."""

    before: Graph
    after: Graph
    recipe: Mapping[str, Any]

    def explain(self, operator: Operator) -> FloatReason:
        if not SCHEMES[self.scheme].integer:
            text = f"the scheme '{self.scheme}' leaves activations in float"
            return FloatReason("scheme", text, None)
        if operator.type in CONVERSIONS:
            return self._edge(operator)
        reason = self._own(operator) or self._float_by_neighbour(operator)
        return reason or self._remaining(operator)

    def _float_by_neighbour(self, operator: Operator) -> FloatReason | None:
        """Return why an operator with an integer form stays float because of a neighbour."""
        has_neighbours = has_form(operator.type, self.scheme)
        for other in self._float_neighbours(operator) if has_neighbours else ():
            if self._own(other) is not None:
                text = (
                    f"{operator.type} has an integer form, but shares float tensors with operator "
                    f"{other.index} {other.type}, which stays float and keeps it float"
                )
                remedy = f"Replace {other.type}; {operator.type} may stay"
                return FloatReason("neighbour", text, remedy)
        return None

    def _remaining(self, operator: Operator) -> FloatReason:
        """Return why an operator stays float without a reason that is known beforehand."""
        if not has_form(operator.type, self.scheme):
            text = f"the back end '{self.recipe['backend']}' has no integer form of {operator.type}"
            return FloatReason("no_form", text, "`scheme='int8_float_fallback'` leaves it")
        if len(operator.outputs) > 1:
            text = (
                f"{operator.type} has an integer form: TensorFlow visits operators in the order "
                "of their addresses in memory, and in this order it left this one in float"
            )
            remedy = "Convert again, on Linux outside of a restricted container"
            return FloatReason("order", text, remedy)
        text = f"{operator.type} has an integer form: a range of what it reads or gives is missing"
        return FloatReason("no_range", text, "Record the ranges again, from this float model")

    def _edge(self, operator: Operator) -> FloatReason:
        main = self.after.main
        if operator.type == "DEQUANTIZE":
            does = "turns integers into float for"
            near = main.consumers.get(operator.outputs[0], [])
        else:
            does = "turns into integers what comes from"
            near = [writer for writer in main.operators if operator.inputs[0] in writer.outputs]
        near = [neighbour for neighbour in near if neighbour.type not in CONVERSIONS]
        if not near:
            return FloatReason("neighbour", f"{does} an input or output of the model", None)
        reason = self.explain(near[0])
        text = f"{does} operator {near[0].index} {near[0].type}: {reason.text}"
        return FloatReason(reason.kind, text, None)

    def _own(self, operator: Operator) -> FloatReason | None:
        """Return the reason that lies in the operator itself."""
        original = self._original_of.get(operator.index)
        names = [self.after.main.tensors[index].name for index in operator.outputs]
        if original is not None:
            names += [self.before.main.tensors[index].name for index in original.outputs]
        for entry in self.recipe.get("keep_float", ()):
            if entry == operator.type or any(re.fullmatch(entry, name) for name in names):
                text = f"`keep_float` has the entry '{entry}', which fits {operator.type}"
                return FloatReason("kept", text, f"Remove '{entry}' from `keep_float`")
        return None if original is None else self._known.get((0, original.index))

    @property
    def scheme(self) -> str:
        """The scheme that the model was converted by."""
        return str(self.recipe["scheme"])

    @cached_property
    def _known(self) -> dict[tuple[int, int], FloatReason]:
        return find_float_operators(self.before, self.scheme, self.recipe["backend"])

    @cached_property
    def _original_of(self) -> dict[int, Operator]:
        """Operators of the float model by the index of what became of them."""
        main = self.before.main
        writers: dict[str, Operator] = {}
        for operator in main.operators:
            names = [main.tensors[index].name for index in operator.outputs]
            # TensorFlow names each output of several after all of them.
            writers |= dict.fromkeys([*names, ";".join(names)], operator)
        renamed = names_before_conversion(self.before, self.after)
        return {
            operator.index: writers[name]
            for operator in self.after.main.operators
            if operator.type not in CONVERSIONS
            for index in operator.outputs
            if (name := renamed.get(index, self.after.main.tensors[index].name)) in writers
        }

    def _float_neighbours(self, operator: Operator) -> list[Operator]:
        """Return the operators that float tensors join to this one, the nearest first."""
        found = {operator.index: operator}
        waiting = [operator]
        for current in waiting:  # grows during the loop
            for tensor in self._float_tensors(current):
                for neighbour in self._operators_at[tensor]:
                    if neighbour.index not in found:
                        found[neighbour.index] = neighbour
                        waiting.append(neighbour)
        return waiting[1:]

    @cached_property
    def _operators_at(self) -> dict[int, list[Operator]]:
        """Operators of the converted model by the float tensors that they read and write."""
        joined: dict[int, list[Operator]] = {}
        for operator in self.after.main.operators:
            for tensor in self._float_tensors(operator) if operator.type not in CONVERSIONS else ():
                joined.setdefault(tensor, []).append(operator)
        return joined

    def _float_tensors(self, operator: Operator) -> list[int]:
        used = self.after.main.tensors_at(dict.fromkeys((*operator.inputs, *operator.outputs)))
        floats = [tensor for tensor in used if tensor.dtype == "float32"]
        return [tensor.index for tensor in floats if tensor.constant is None]
