"""All rules over a whole model."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from quantline.contract.conformance import (
    check_conformance,
    check_control_flow,
    operators_of_family,
)
from quantline.contract.finding import ContractReport, counted, in_order
from quantline.contract.integer_only import find_not_integer, interface_operators
from quantline.contract.notes import find_notes
from quantline.contract.rules import broken
from quantline.quantization.schemes import SCHEMES
from quantline.tflite.graph import is_integer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from quantline.contract.finding import Finding, Specification
    from quantline.contract.specification import Family
    from quantline.tflite import Graph

# Which activations each specification is about, and the rule that those of the other break.
_FAMILIES: dict[Specification, tuple[Family, ...]] = {
    "int8": ("int8", "int16"),
    "uint8": ("uint8",),
    "none": (),
}
_OTHERS: dict[Specification, tuple[str, tuple[Family, ...]]] = {
    "int8": ("model.uint8", ("uint8",)),
    "uint8": ("model.int8", ("int8", "int16")),
}


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
        float_input: Whether float32 inputs were asked for: a QUANTIZE operator that reads one is
            then part of the interface, and breaks nothing.
        float_output: Likewise for the DEQUANTIZE operators that write the outputs.
        promise: The scheme that the model was, or should have been, quantized by. Under one that
            allows float, what is float is a note.
        specification: The specification to check against.
    """
    scheme = SCHEMES[promise]
    edges = interface_operators(graph.main, float_input=float_input, float_output=float_output)
    floats = [
        finding
        for subgraph in graph.subgraphs
        for finding in find_not_integer(subgraph, set() if subgraph.index else edges)
    ]
    findings = [
        replace(finding, severity="note") if scheme.allows_float else finding for finding in floats
    ]
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
    rule, families = _OTHERS[specification]
    others = [
        operator
        for subgraph in graph.subgraphs
        for operator in operators_of_family(subgraph, families)
    ]
    if others:
        found = f"{counted(len(others), 'operator')} on {rule.removeprefix('model.')} activations"
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
