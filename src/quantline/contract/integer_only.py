"""Integer-only: every tensor of every subgraph is an integer, or it is named with the reason.

TensorFlow's converter, asked for integer operators only, raises no error where an operator has no
integer kernel: it leaves DEQUANTIZE, the float operator, and QUANTIZE in the model.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from quantline.errors import NotIntegerOnly
from quantline.tflite.graph import is_integer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantline.tflite import Graph, Operator, Subgraph, Tensor

_SHOWN = 20


@dataclass(frozen=True)
class Offender:
    """One operator, or one tensor that no operator touches, that is not integer.

    Attributes:
        subgraph: The subgraph's index.
        index: The operator's index; None for a tensor without an operator.
        type: The operator's type; ``TENSOR`` for a tensor without an operator.
        tensor: The name of the first tensor that is not an integer.
        tensor_index: Its index.
        dtype: Its dtype.
        reason: Why the operator is not integer.
    """

    subgraph: int
    index: int | None
    type: str
    tensor: str
    tensor_index: int
    dtype: str
    reason: str


@dataclass(frozen=True)
class Report:
    """What the check found.

    Attributes:
        integer_only: Whether every tensor is an integer, the declared float interface apart.
        offenders: Every operator that breaks it, in order.
        interface: Indices in the main subgraph of the QUANTIZE and DEQUANTIZE operators at the
            model's edges that a declared float32 input or output asks for.
        operators: The number of operators in all subgraphs.
        tensors: The number of tensors in all subgraphs.
        integer_tensors: How many of them are integers.
        input_types: The dtypes of the model's inputs.
        output_types: The dtypes of the model's outputs.
    """

    integer_only: bool
    offenders: tuple[Offender, ...]
    interface: tuple[int, ...]
    operators: int
    tensors: int
    integer_tensors: int
    input_types: tuple[str, ...]
    output_types: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return {**asdict(self), "evidence": "parsed", "float_operators": len(self.offenders)}


def check(graph: Graph, *, float_input: bool = False, float_output: bool = False) -> Report:
    """Check every operator and every tensor.

    Args:
        graph: The converted model.
        float_input: Whether the recipe asked for float32 inputs: a QUANTIZE operator that reads
            one is then part of the interface, not an offender.
        float_output: Likewise for the DEQUANTIZE operators that write the outputs.
    """
    interface = _interface(graph.main, float_input, float_output)
    offenders: list[Offender] = []
    for subgraph in graph.subgraphs:
        allowed = interface if subgraph.index == 0 else ()
        touched = {
            index
            for operator in subgraph.operators
            for index in (*operator.inputs, *operator.outputs)
        }
        for operator in subgraph.operators:
            if operator.index not in allowed:
                offenders += _judge(subgraph, operator)
        offenders += [
            Offender(
                subgraph.index, None, "TENSOR", tensor.name, tensor.index, tensor.dtype,
                f"a {tensor.dtype} tensor that no operator touches",
            )
            for tensor in subgraph.tensors
            if tensor.index not in touched and not is_integer(tensor.dtype) and tensor.name
        ]  # fmt: skip
    tensors = [tensor for subgraph in graph.subgraphs for tensor in subgraph.tensors]
    main = graph.main
    return Report(
        integer_only=not offenders,
        offenders=tuple(offenders),
        interface=tuple(sorted(interface)),
        operators=sum(len(subgraph.operators) for subgraph in graph.subgraphs),
        tensors=len(tensors),
        integer_tensors=sum(is_integer(tensor.dtype) for tensor in tensors),
        input_types=tuple(main.tensors[index].dtype for index in main.inputs),
        output_types=tuple(main.tensors[index].dtype for index in main.outputs),
    )


def enforce(offenders: Sequence[Offender]) -> None:
    """Stop where there are offenders.

    Raises:
        NotIntegerOnly: With the first twenty by index, type, tensor name and reason.
    """
    if not offenders:
        return
    lines = [
        f"operator {each.index} {each.type} ('{each.tensor}'): {each.reason}"
        if each.index is not None
        else f"tensor {each.tensor_index} ('{each.tensor}'): {each.reason}"
        for each in offenders[:_SHOWN]
    ]
    more = f"; and {len(offenders) - _SHOWN} more" if len(offenders) > _SHOWN else ""
    raise NotIntegerOnly(
        "The converted model is not integer-only, though TensorFlow converted it without an error",
        found=f"{len(offenders)} operators that are not integer: {'; '.join(lines)}{more}",
        expected="integers in every tensor of every subgraph",
        remedy="Replace these operators in the float model, or set 'validation.integer_only: "
        "false' to go on with a model that is in part float",
    )


def _interface(main: Subgraph, float_input: bool, float_output: bool) -> set[int]:
    """Find the operators that only turn the declared float interface into integers and back."""
    found = set()
    for operator in main.operators:
        if float_input and operator.type == "QUANTIZE" and operator.inputs[0] in main.inputs:
            found.add(operator.index)
        if float_output and operator.type == "DEQUANTIZE" and operator.outputs[0] in main.outputs:
            found.add(operator.index)
    return found


def _judge(subgraph: Subgraph, operator: Operator) -> list[Offender]:
    def tensors(indices: tuple[int, ...]) -> list[Tensor]:
        return [subgraph.tensors[index] for index in indices if index >= 0]

    inputs, outputs = tensors(operator.inputs), tensors(operator.outputs)
    broken = [tensor for tensor in (*outputs, *inputs) if not is_integer(tensor.dtype)]
    if operator.is_custom:
        reason = "a custom operator: what it computes is not known"
    elif not broken:
        return []
    elif operator.type == "DEQUANTIZE":
        reason = "turns integers into float for an operator that has no integer form here"
    elif operator.type == "QUANTIZE":
        reason = "turns the float result of another operator back into integers"
    elif any(each.constant is not None and is_integer(each.dtype) and each.quantization
             for each in inputs):  # fmt: skip
        reason = f"has integer weights but computes on {broken[0].dtype} activations"
    else:
        reason = f"computes in {broken[0].dtype}: the converter has no integer form for it"
    named = (broken or outputs or inputs)[0]
    return [
        Offender(
            subgraph.index, operator.index, operator.type, named.name, named.index, named.dtype,
            reason,
        )
    ]  # fmt: skip
