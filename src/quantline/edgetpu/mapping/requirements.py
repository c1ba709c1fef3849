"""What the Edge TPU demands of every operator, and the judgement of a single one.

The requirements are Coral's: 8-bit tensors, sizes and parameters that are constant at compile
time, and at most the three innermost dimensions above 1.
Source: https://coral.ai/docs/edgetpu/models-intro/#model-requirements
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantline.edgetpu.mapping.operators import TABLE, Entry
from quantline.edgetpu.mapping.versions import unreadable
from quantline.edgetpu.tensors import INTEGER_8, activations, at, extent
from quantline.edgetpu.vocabulary import Provenance, Reason, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantline.tflite.graph import Operator, Subgraph, Tensor

COMPILED_OPERATOR = "edgetpu-custom-op"

# Control flow gives tensors whose size is known only when the model runs.
_CONTROL_FLOW = frozenset({"IF", "WHILE"})


def is_compiled(operator: Operator) -> bool:
    """Whether an operator is a group of others that was compiled for the Edge TPU."""
    return operator.is_custom and operator.type == COMPILED_OPERATOR


def find_reason(operator: Operator, subgraph: Subgraph, runtime_version: int) -> Reason | None:
    """Say why an operator cannot, or may not, run on the Edge TPU.

    The operator is judged alone: whether it lies in the subgraph that gets compiled is decided by
    :mod:`quantline.edgetpu.mapping.partition`.

    Args:
        operator: The operator.
        subgraph: Its subgraph.
        runtime_version: The Edge TPU runtime that the model is compiled for.

    Returns:
        The first reason found, in the compiler's own order where it is known; else None.
    """
    entry = None if operator.is_custom else TABLE.get(operator.type)
    tensors = subgraph.tensors
    reason = unreadable(operator) or _static(operator, subgraph, entry)
    # Data types come before the table: logs give ARG_MAX to int64 and custom operators with float
    # outputs an unsupported data type, and integer TOPK_V2 an unsupported operation.
    reason = reason or _dtype(operator, tensors)
    if reason is not None:
        return reason
    if entry is None:
        return Reason(
            Status.NOT_SUPPORTED,
            "the operator is not in the documented table",
            Provenance.DOCUMENTED,
        )
    if runtime_version < entry.runtime:
        return Reason(
            Status.NOT_SUPPORTED,
            f"the operator needs Edge TPU runtime {entry.runtime}",
            Provenance.MEMORY,
        )
    reason = _parameters(operator, tensors, entry) or _rank(operator, tensors)
    if reason is None and entry.constraint is not None:
        reason = entry.constraint(operator, tensors, runtime_version)
    return reason


def _static(operator: Operator, subgraph: Subgraph, entry: Entry | None) -> Reason | None:
    tensors = subgraph.tensors
    sizes = [at(operator, position, tensors) for position in entry.sizes] if entry else []
    if any(size is not None and size.constant is None for size in sizes):
        rule = "inputs that set a shape must be constants"
    elif any(
        size < 0
        for index in set(operator.inputs).intersection(subgraph.inputs)
        for size in tensors[index].shape[1:]
    ):
        # Sizes inside the model follow from those of its inputs.
        rule = "every size of the model's inputs but the batch must be known"
    elif operator.type in _CONTROL_FLOW and not operator.is_custom:
        rule = "no control flow"
    else:
        return None
    return Reason(Status.DYNAMIC, rule, Provenance.REPORTED, refuses_model=True)


def _dtype(operator: Operator, tensors: Sequence[Tensor]) -> Reason | None:
    checked = activations(operator, tensors)
    if operator.type == "QUANTIZE":
        # Of one with a float input the compiler says something else: see constraints.quantize.
        checked = [other for other in checked if other.index in operator.outputs]
    wrong = sorted({tensor.dtype for tensor in checked} - INTEGER_8)
    if not wrong:
        return None
    return Reason(
        Status.DTYPE,
        f"tensors must be int8 or uint8, not {' or '.join(wrong)}",
        Provenance.DOCUMENTED,
    )


def _rank(operator: Operator, tensors: Sequence[Tensor]) -> Reason | None:
    for tensor in activations(operator, tensors):
        if any(size != 1 for size in extent(tensor)[:-3]):
            return Reason(
                Status.RANK,
                f"only the 3 innermost dimensions may be above 1, not {list(tensor.shape)}",
                Provenance.DOCUMENTED,
            )
    return None


def _parameters(operator: Operator, tensors: Sequence[Tensor], entry: Entry) -> Reason | None:
    for position in entry.parameters:
        parameter = at(operator, position, tensors)
        if parameter is not None and parameter.constant is None:
            return Reason(
                Status.NOT_CONSTANT,
                f"parameters must be constants; input {position} is not",
                Provenance.REPORTED,
            )
    return None
