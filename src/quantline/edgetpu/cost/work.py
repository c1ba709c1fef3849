"""How much arithmetic an operator is: its multiply-accumulates (MACs)."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from quantline.edgetpu.cost.kernel import kernel
from quantline.edgetpu.tensors import at, elements, extent

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from quantline.tflite.graph import Operator, Tensor

# Of the LSTM kernels: weights from the input to the gates, from the last output to them, and the
# projection (tensorflow/lite/kernels/lstm_shared.h).
LSTM_WEIGHTS = (*range(1, 9), 16)
_BASIC_LSTM_INPUTS = 5
_BASIC_LSTM_WEIGHTS = (2,)


def macs(operator: Operator, tensors: Sequence[Tensor]) -> int:
    """Return the multiply-accumulates of one run of an operator.

    Those on the zeros of a padding are counted too, as is usual. Operators that multiply no two
    tensors of values along a sum have none: neither pooling nor element-wise ones.

    Args:
        operator: The operator.
        tensors: All tensors of its subgraph.
    """
    if operator.is_custom:
        return 0
    if operator.type in ("LSTM", "UNIDIRECTIONAL_SEQUENCE_LSTM"):
        return _lstm(operator, tensors)
    if operator.type == "BATCH_MATMUL":
        return _batch_matmul(operator, tensors)
    found = kernel(operator, tensors)
    if found is None:
        return 0
    taps = found.height * found.width * found.inputs
    if operator.type == "TRANSPOSE_CONV":
        # Each input pixel is multiplied by all weights.
        return prod(extent(found.source)[:-1]) * taps * found.outputs
    return elements(found.result) * taps


def share_of_macs(
    part: Iterable[Operator], whole: Iterable[Operator], tensors: Sequence[Tensor]
) -> float:
    """Return the MACs of some operators over those of all, from 0 to 1; 0 where all have none."""
    total = sum(macs(operator, tensors) for operator in whole)
    return sum(macs(operator, tensors) for operator in part) / total if total else 0.0


def _lstm(operator: Operator, tensors: Sequence[Tensor]) -> int:
    basic = operator.type == "LSTM" and len(operator.inputs) == _BASIC_LSTM_INPUTS
    positions = _BASIC_LSTM_WEIGHTS if basic else LSTM_WEIGHTS
    weights = [at(operator, position, tensors) for position in positions]
    # Every step of every example reads all weights once.
    steps = prod(extent(tensors[operator.inputs[0]])[:-1])
    return steps * sum(elements(weight) for weight in weights if weight is not None)


def _batch_matmul(operator: Operator, tensors: Sequence[Tensor]) -> int:
    # The dimension that is summed over is the last of the left matrices, or the last but one.
    summed = extent(tensors[operator.inputs[0]])[-2:]
    if len(summed) < 2:
        return 0
    return elements(tensors[operator.outputs[0]]) * summed[0 if operator.options.get("adjX") else 1]
