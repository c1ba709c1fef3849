"""The activations of a model whose ranges can be recorded; other models are refused by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantline.errors import ModelUnsupported, first_few
from quantline.ranges.cell_states import LSTM
from quantline.tflite.finite import HUGE, is_huge

if TYPE_CHECKING:
    from quantline.tflite import Graph, Tensor

# Subgraphs of their own run while the main one waits; their tensors cannot become its outputs.
_CONTROL_FLOW = {"IF", "WHILE", "CALL", "CALL_ONCE", "STABLEHLO_COMPOSITE", "STABLEHLO_WHILE"}
_RESOURCES = {"VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE",
              "HASHTABLE", "HASHTABLE_FIND", "HASHTABLE_IMPORT", "HASHTABLE_SIZE"}  # fmt: skip
# Operators whose output may hold their constants' values.
_TAKERS = {"ADD", "CONCATENATION", "MAXIMUM", "MINIMUM", "ONE_HOT", "PACK", "PADV2", "SELECT",
           "SELECT_V2", "SUB"}  # fmt: skip
_RECTIFIERS = {"RELU", "RELU6", "RELU_0_TO_1"}
_RELU, _RELU6 = 1, 3  # schema.fbs, ActivationFunctionType


def activations(graph: Graph) -> list[Tensor]:
    """Return the float activations of a model, inputs included, by ascending index.

    Raises:
        ModelUnsupported: Their ranges cannot be recorded.
    """
    main = graph.main
    kinds = {operator.type for operator in main.operators}
    if len(graph.signatures) > 1:
        raise ModelUnsupported(
            "The model has several signatures",
            found=", ".join(signature.key for signature in graph.signatures),
            expected="one signature, whose ranges are to be recorded",
            remedy="Import it with one of them as `signature`",
        )
    if len(graph.subgraphs) > 1 or kinds & (_CONTROL_FLOW | _RESOURCES):
        raise ModelUnsupported(
            "The ranges of a model with control flow or resources cannot be recorded",
            found=f"{len(graph.subgraphs)} subgraphs; "
            f"{', '.join(sorted(kinds & (_CONTROL_FLOW | _RESOURCES))) or 'no such operator'}",
            expected="a single subgraph without IF, WHILE, CALL, variables and tables",
            remedy="Export the model without loops and conditions, for instance with unrolled "
            "RNNs, and with its variables frozen",
        )
    variables = {tensor.index for tensor in main.tensors if tensor.is_variable}
    stateful = [operator.type for operator in main.operators if variables & set(operator.inputs)]
    if set(stateful) - {LSTM}:
        raise ModelUnsupported(
            "The ranges of a model that keeps state cannot be recorded",
            found=first_few(sorted(set(stateful) - {LSTM})),
            expected="a model whose outputs depend on its inputs alone, or fused LSTMs",
            remedy="Write its recurrent layers out step by step (unroll=True) in the original",
        )
    _refuse_huge(graph)
    written = [index for operator in main.operators for index in operator.outputs]
    indices = sorted({*main.inputs, *written})
    found = [main.tensors[index] for index in indices if main.tensors[index].dtype == "float32"]
    if not found:
        raise ModelUnsupported(
            "The model has no float activation to record",
            found=f"{len(indices)} activations, none float32",
            expected="a float model",
            remedy="Give the float model, not a quantized one",
        )
    unknown = [tensor for tensor in found if any(size < 0 for size in tensor.shape[1:])]
    if unknown:
        raise ModelUnsupported(
            "The sizes of some activations are not known before the model runs",
            found=f"{len(unknown)} tensors, the first is {unknown[0].index} '{unknown[0].name}' of "
            f"shape {unknown[0].shape}",
            expected="known sizes, except the batch",
            remedy="Export the model with a fixed input size",
        )
    return found


def floored(graph: Graph) -> set[int]:
    """Return the tensors that a rectifier, fused or not, keeps from falling below 0."""
    return {
        index
        for operator in graph.main.operators
        if operator.type in _RECTIFIERS
        or operator.options.get("fusedActivationFunction") in (_RELU, _RELU6)
        for index in operator.outputs
    }


def _refuse_huge(graph: Graph) -> None:
    """Refuse constants so large that every other value of a range would be the same integer."""
    tensors = graph.main.tensors
    huge = [
        f"operator {operator.index} {operator.type} reads '{tensors[index].name}' of "
        f"{max(tensors[index].values().flat, key=abs):g}"
        for operator in graph.main.operators
        if operator.type in _TAKERS
        for index in operator.inputs
        if index >= 0 and is_huge(tensors[index])
    ]
    if huge:
        raise ModelUnsupported(
            "The model holds constants that are infinite or near the largest float",
            found=first_few(huge, 3),
            expected=f"constants below {HUGE:g}, or ones that can be replaced without a change of "
            "the model: a padding that only a maximum is taken of, a bound that is never reached",
            remedy="Write a constant of the order of the other values, such as the least of them "
            "for a padding, or -30 in a mask that a softmax reads",
        )
