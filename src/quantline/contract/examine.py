"""All rules over a whole model."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from quantline.contract.conformance import not_conforming, on_uint8
from quantline.contract.control_flow import miscalled
from quantline.contract.finding import Report, in_order
from quantline.contract.integer_only import interface, not_integer
from quantline.contract.notes import worth_knowing
from quantline.contract.rules import broken
from quantline.quantization.schemes import SCHEMES
from quantline.tflite.graph import is_integer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quantline.tflite import Graph


def examine(
    graph: Graph, *, float_input: bool = False, float_output: bool = False, promise: str = "int8"
) -> Report:
    """Hold every operator and every tensor of a model to the rules.

    Args:
        graph: The converted model.
        float_input: Whether float32 inputs were asked for: a QUANTIZE operator that reads one is
            then part of the interface, and breaks nothing.
        float_output: Likewise for the DEQUANTIZE operators that write the outputs.
        promise: The scheme that the model was, or should have been, quantized by. Under one that
            allows float, what is float is a note.
    """
    scheme = SCHEMES[promise]
    edges = interface(graph.main, float_input=float_input, float_output=float_output)
    floats = [
        each
        for subgraph in graph.subgraphs
        for each in not_integer(subgraph, set() if subgraph.index else edges)
    ]
    findings = [replace(each, severity="note") if scheme.allows_float else each for each in floats]
    uint8 = [
        (subgraph, operator) for subgraph in graph.subgraphs for operator in on_uint8(subgraph)
    ]
    if uint8:
        found = f"the former scheme: {len(uint8)} operators on uint8 activations"
        findings.append(broken("model.uint8", uint8[0][0], None, None, found))
    for subgraph in graph.subgraphs:
        findings += not_conforming(subgraph)
        findings += worth_knowing(subgraph)
    findings += miscalled(graph)
    tensors = [tensor for subgraph in graph.subgraphs for tensor in subgraph.tensors]
    main = graph.main
    return Report(
        integer_only=not floats,
        specification=all(each.severity != "specification" for each in findings),
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


def examine_made(graph: Graph, made: Mapping[str, Any]) -> Report:
    """Hold a model to what the recipe that it was made with promises.

    Args:
        graph: The converted model.
        made: The recipe, as :class:`quantline.quantization.Quantized` has it.
    """
    return examine(
        graph,
        float_input=made["input_type"] == "float32",
        float_output=made["output_type"] == "float32",
        promise=made["scheme"],
    )
