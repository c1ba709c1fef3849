"""How much arithmetic an operator is: its multiply-accumulates (MACs)."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from quantline.edgetpu.tensors import at, elements, extent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from quantline.tflite.graph import Operator, Tensor

# Of the LSTM kernels: weights from the input to the gates, from the last output to them, and the
# projection (tensorflow/lite/kernels/lstm_shared.h).
_LSTM_WEIGHTS = (*range(1, 9), 16)
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
    rule = None if operator.is_custom else _RULES.get(operator.type)
    return rule(operator, tensors) if rule else 0


def share_of_macs(
    part: Iterable[Operator], whole: Iterable[Operator], tensors: Sequence[Tensor]
) -> float:
    """Return the MACs of some operators over those of all, from 0 to 1; 0 where all have none."""
    total = sum(macs(each, tensors) for each in whole)
    return sum(macs(each, tensors) for each in part) / total if total else 0.0


def _convolution(operator: Operator, tensors: Sequence[Tensor]) -> int:
    # Weights of (out channels, height, width, in channels of a group).
    weights = tensors[operator.inputs[1]]
    return elements(tensors[operator.outputs[0]]) * prod(weights.shape[1:])


def _depthwise(operator: Operator, tensors: Sequence[Tensor]) -> int:
    # Weights of (1, height, width, channels).
    weights = tensors[operator.inputs[1]]
    return elements(tensors[operator.outputs[0]]) * prod(weights.shape[1:3])


def _transposed(operator: Operator, tensors: Sequence[Tensor]) -> int:
    # Weights of (out channels, height, width, in channels), each applied to every input pixel.
    weights, image = tensors[operator.inputs[1]], tensors[operator.inputs[2]]
    return prod(extent(image)[:-1]) * elements(weights)


def _fully_connected(operator: Operator, tensors: Sequence[Tensor]) -> int:
    # Weights of (units, inputs).
    weights = tensors[operator.inputs[1]]
    return elements(tensors[operator.outputs[0]]) * prod(weights.shape[-1:])


def _lstm(operator: Operator, tensors: Sequence[Tensor]) -> int:
    basic = operator.type == "LSTM" and len(operator.inputs) == _BASIC_LSTM_INPUTS
    positions = _BASIC_LSTM_WEIGHTS if basic else _LSTM_WEIGHTS
    weights = [at(operator, position, tensors) for position in positions]
    # Every step of every example reads all weights once.
    steps = prod(extent(tensors[operator.inputs[0]])[:-1])
    return steps * sum(elements(each) for each in weights if each is not None)


def _batch_matmul(operator: Operator, tensors: Sequence[Tensor]) -> int:
    left = extent(tensors[operator.inputs[0]])
    summed = left[-2 if operator.options.get("adjX") else -1]
    return elements(tensors[operator.outputs[0]]) * summed


_RULES: dict[str, Callable[[Operator, Sequence[Tensor]], int]] = {
    "BATCH_MATMUL": _batch_matmul,
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _fully_connected,
    "LSTM": _lstm,
    "TRANSPOSE_CONV": _transposed,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _lstm,
}
