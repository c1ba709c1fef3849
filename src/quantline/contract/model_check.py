"""All rules over a whole model, and integer-only: every tensor is an integer, or it is named.

TensorFlow's converter, asked for integer operators only, raises no error where an operator has no
integer kernel: it leaves DEQUANTIZE, the float operator, and QUANTIZE in the model.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

from quantline.contract.conformance import (
    CONTROL_FLOW,
    check_conformance,
    check_control_flow,
    operators_of_family,
)
from quantline.contract.finding import ContractReport, counted, in_order, listed, remedies
from quantline.contract.notes import find_notes
from quantline.contract.rules import Site, broken
from quantline.contract.specification import SPECIFICATION, Family
from quantline.errors import CheckFailed, first_few
from quantline.quantization.schemes import SCHEMES
from quantline.tflite.graph import Graph, Operator, Subgraph, Tensor, is_integer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from quantline.contract.finding import Finding, Specification


def interface_operators(main: Subgraph, *, float_input: bool, float_output: bool) -> set[int]:
    """Return the operators that only turn the declared float interface into integers and back."""
    found = set()
    for operator in main.operators:
        if float_input and operator.type == "QUANTIZE" and operator.inputs[0] in main.inputs:
            found.add(operator.index)
        if float_output and operator.type == "DEQUANTIZE" and operator.outputs[0] in main.outputs:
            found.add(operator.index)
    return found


def find_not_integer(subgraph: Subgraph, interface: set[int]) -> Iterator[Finding]:
    """Find what is not integer: operators but for the interface, and tensors that none touches."""
    touched: set[int] = set()
    for operator in subgraph.operators:
        # The converter leaves an LSTM's intermediates float where its kernel does not use them.
        touched.update(operator.inputs, operator.outputs, operator.intermediates)
        if operator.index not in interface:
            yield from _check_operator(Site(subgraph, operator))
    for tensor in subgraph.tensors:
        if tensor.index not in touched and tensor.name and not _is_allowed(tensor.dtype):
            found = f"a {tensor.dtype} tensor that no operator touches"
            yield broken("integer.tensor", subgraph, None, tensor, found)


def enforce(report: ContractReport) -> None:
    """Stop where a model is not integer-only.

    Raises:
        CheckFailed: With all offenders by type, and the first twenty in full.
    """
    if report.integer_only:
        return
    offenders = [finding for finding in report.findings if finding.breaks_integer_only]
    many = "operators that are not integer"
    said = counted(report.float_operators, "operator that is not integer", many)
    if tensors := sum(offender.operator is None for offender in offenders):
        said += f" and {counted(tensors, 'such tensor')} that no operator touches"
    raise CheckFailed(
        "The converted model is not integer-only, though TensorFlow converted it without an error",
        found=f"{said} {listed(offenders)}",
        expected="integers in every tensor of every subgraph",
        remedy=remedies(offenders, replace_or_allow(offenders)),
    )


def replace_or_allow(offenders: Iterable[Finding]) -> str:
    """Return what can be done about any operators that are not integer, as a part of a sentence."""
    allowed = all(offender.severity == "note" for offender in offenders)
    choice = "`integer_only=False`" if allowed else "`scheme='int8_float_fallback'`"
    replace = "replace these operators in the float model"
    return f"{replace}, or use {choice} for a model that is in part float"


def _check_operator(site: Site) -> Iterator[Finding]:
    operator = site.operator
    inputs, outputs = map(site.subgraph.tensors_at, (operator.inputs, operator.outputs))
    floats = [tensor for tensor in (*outputs, *inputs) if not _is_allowed(tensor.dtype)]
    named = next(iter((*floats, *outputs, *inputs)), None)
    if operator.is_custom and operator.type.startswith("Flex"):
        found = f"TensorFlow's own {operator.type.removeprefix('Flex')}, run by the Flex delegate"
        yield site.broken("custom.flex", named, found)
    elif operator.is_custom:
        found = "a custom operator: what it computes is not known"
        yield site.broken("custom.unknown", named, found)
    elif operator.type.startswith("UNKNOWN_"):
        found = f"builtin operator {operator.type.removeprefix('UNKNOWN_')}, newer than the schema"
        yield site.broken("integer.unknown", named, found)
    elif floats:
        rule, found = _rule_and_text(site, inputs, floats[0].dtype)
        yield site.broken(rule, named, found)


def _is_allowed(dtype: str) -> bool:
    # A resource is a variable's handle; the variable's values are other tensors.
    return is_integer(dtype) or dtype == "resource"


def _rule_and_text(site: Site, inputs: Sequence[Tensor], dtype: str) -> tuple[str, str]:
    """Return the rule that an operator with values of a float dtype breaks, and the text."""
    subgraph, operator = site.subgraph, site.operator
    rule = "integer.operator"
    if operator.type == "DEQUANTIZE":
        readers = {reader.type for reader in subgraph.consumers.get(operator.outputs[0], ())}
        reader = first_few(sorted(readers), 3) or "the model's output"
        found = f"turns integers into {dtype} for {reader}"
        if inputs and inputs[0].dtype == "float16":
            found = f"widens float16 constants for {reader}"
    elif operator.type == "QUANTIZE":
        writer = subgraph.producers.get(operator.inputs[0])
        source = f"what {writer.type} gives" if writer else "float values"
        found = f"turns {source} into integers"
    elif operator.type in CONTROL_FLOW:
        found = f"hands {dtype} values to its bodies"
    elif operator.type == "FAKE_QUANT":
        rule, found = "integer.simulated", f"simulates quantization in {dtype}"
    elif any(
        tensor.constant is not None and tensor.quantization is not None and is_integer(tensor.dtype)
        for tensor in inputs
    ):
        rule = "integer.weights_only"
        found = f"has integer weights but computes on {dtype} activations"
    elif operator.type not in SPECIFICATION:
        found = f"computes in {dtype}: the converter has no integer form for it"
    elif _is_between(subgraph, operator, inputs):
        # Where others compute with integers, it is one that a converter left in float.
        is_partly_integer = bool(operators_of_family(subgraph, get_args(Family)))
        rule = rule if is_partly_integer else "integer.simulated"
        found = f"computes in {dtype} between DEQUANTIZE and QUANTIZE, and has an integer form"
    else:
        found = f"computes in {dtype}, and has an integer form"
    return rule, found


def _is_between(subgraph: Subgraph, operator: Operator, inputs: Sequence[Tensor]) -> bool:
    """Return whether its values were integers just before, and are again just after."""
    floats = [item for item in inputs if item.dtype == "float32" and item.constant is None]
    producers = [subgraph.producers.get(tensor.index) for tensor in floats]
    sources = {producer.type if producer else None for producer in producers}
    readers = [reader for index in operator.outputs for reader in subgraph.consumers.get(index, ())]
    return sources == {"DEQUANTIZE"} and {reader.type for reader in readers} == {"QUANTIZE"}


# Which activations each specification is about, and the rule that those of the other break.
_FAMILIES: dict[Specification, tuple[Family, ...]] = {
    "int8": ("int8", "int16"),
    "uint8": ("uint8",),
}
_OTHERS: dict[Specification, tuple[str, Specification]] = {
    "int8": ("model.uint8", "uint8"), "uint8": ("model.int8", "int8"),
}  # fmt: skip


def check_model(
    graph: Graph,
    *,
    float_input: bool = False,
    float_output: bool = False,
    promise: str = "int8",
    specification: Specification = "int8",
) -> ContractReport:
    """Check every operator and every tensor of a model against the rules.

    Args:
        graph: The converted model.
        float_input: True if float32 inputs were asked for: a QUANTIZE operator that reads one is
            then part of the interface, and breaks nothing.
        float_output: Likewise for the DEQUANTIZE operators that write the outputs.
        promise: The scheme that the model was, or should have been, quantized by. Under one that
            allows float, what is float is a note.
        specification: The specification to check against.
    """
    scheme = SCHEMES[promise]
    edges = interface_operators(graph.main, float_input=float_input, float_output=float_output)
    floats = list(find_not_integer(graph.main, edges))
    for subgraph in graph.subgraphs[1:]:
        floats += find_not_integer(subgraph, set())
    noted = [replace(finding, severity="note") for finding in floats]
    findings = noted if scheme.allows_float else list(floats)
    findings += _against(graph, specification)
    for subgraph in graph.subgraphs:
        findings += find_notes(subgraph)
    tensors = [tensor for subgraph in graph.subgraphs for tensor in subgraph.tensors]
    main = graph.main
    return ContractReport(
        integer_only=not floats,
        specification=all(finding.severity != "specification" for finding in findings),
        held_to=specification,
        target=None,
        holds_target=None,
        operators=sum(len(subgraph.operators) for subgraph in graph.subgraphs),
        tensors=len(tensors),
        integer_tensors=sum(is_integer(tensor.dtype) for tensor in tensors),
        interface=tuple(sorted(edges)),
        input_types=tuple(main.tensors[index].dtype for index in main.inputs),
        output_types=tuple(main.tensors[index].dtype for index in main.outputs),
        findings=in_order(findings),
    )


def _against(graph: Graph, specification: Specification) -> Iterator[Finding]:
    """Find violations of a specification; operators of the other are named once for the model."""
    if specification == "none":
        return
    rule, other = _OTHERS[specification]
    others = sum(len(operators_of_family(part, _FAMILIES[other])) for part in graph.subgraphs)
    if others:
        found = f"{counted(others, 'operator')} on {other} activations"
        yield broken(rule, graph.main, None, None, found)
    for subgraph in graph.subgraphs:
        yield from check_conformance(subgraph, _FAMILIES[specification])
    yield from check_control_flow(graph)


def check_against_recipe(graph: Graph, recipe: Mapping[str, Any]) -> ContractReport:
    """Check a model against its :attr:`quantline.quantization.Quantized.recipe`."""
    return check_model(
        graph,
        float_input=recipe["input_type"] == "float32",
        float_output=recipe["output_type"] == "float32",
        promise=recipe["scheme"],
    )
