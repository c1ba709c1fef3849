"""The weights of convolutions and fully connected layers, in one form for all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quantline.edgetpu.tensors import at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantline.tflite.graph import Operator, Tensor

# Where among the inputs lies what the weights are applied to; the weights are always the second.
_SOURCE = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 0, "FULLY_CONNECTED": 0, "TRANSPOSE_CONV": 2}
_RANK_OF_MAP = 4


@dataclass(frozen=True)
class Kernel:
    """What a layer multiplies its input by.

    Attributes:
        outputs: Channels, or units, that it gives.
        height: Taps down; 1 for a fully connected layer.
        width: Taps across; 1 for a fully connected layer.
        inputs: Channels, or values, that each output is summed from; 1 if depthwise.
        weights: The tensor.
        source: The map, or the vectors, that it is applied to.
        result: What comes out.
    """

    outputs: int
    height: int
    width: int
    inputs: int
    weights: Tensor
    source: Tensor
    result: Tensor


def kernel(operator: Operator, tensors: Sequence[Tensor]) -> Kernel | None:
    """Return the weights of an operator.

    Args:
        operator: The operator.
        tensors: All tensors of its subgraph.

    Returns:
        None where it has none: for other operators, and where a tensor has another rank than
        TensorFlow Lite's kernels demand, so that no interpreter runs the model.
    """
    if operator.is_custom or operator.type not in _SOURCE:
        return None
    source = at(operator, _SOURCE[operator.type], tensors)
    weights, result = at(operator, 1, tensors), tensors[operator.outputs[0]]
    if weights is None or source is None:
        return None
    shape = weights.shape
    if operator.type == "FULLY_CONNECTED":
        return (
            Kernel(shape[0], 1, 1, shape[1], weights, source, result) if len(shape) == 2 else None
        )
    ranks = {len(tensor.shape) for tensor in (weights, source, result)}
    if ranks != {_RANK_OF_MAP}:
        return None
    if operator.type == "DEPTHWISE_CONV_2D":
        _, height, width, outputs = shape
        return Kernel(outputs, height, width, 1, weights, source, result)
    outputs, height, width, inputs = shape
    return Kernel(outputs, height, width, inputs, weights, source, result)
