"""The arithmetic of operators: their weights, multiply-accumulates (MACs) and clock cycles.

The chip computes 4 by 4 pixels at once, in each of them 16 outputs from 4 inputs: 1,024
multiply-accumulates a cycle. The estimate of cycles in compiled files counts convolutions only, and
for each block of outputs no fewer than 16 cycles. The rule was found from files that hold the
estimate and gives it within 0.3 % (MobileNet v1 and v2, DeepLab v3, PoseNet, and chains of
convolutions).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from quantline.edgetpu.vocabulary import at, extent

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from quantline.edgetpu.compiled.match import Match
    from quantline.tflite.graph import Graph, Operator, Tensor

# Where among the inputs lies what the weights are applied to; the weights are always the second.
_SOURCE = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 0, "FULLY_CONNECTED": 0, "TRANSPOSE_CONV": 2}
_RANK_OF_MAP = 4


@dataclass(frozen=True)
class LayerWeights:
    """The weights of a convolution or a fully connected layer, in one form."""

    outputs: int  # channels, or units, that it gives
    height: int  # taps down; 1 for a fully connected layer
    width: int  # taps across; 1 for a fully connected layer
    inputs: int  # channels, or values, that each output is summed from; 1 if depthwise
    weights: Tensor
    source: Tensor  # the map, or the vectors, that it is applied to
    result: Tensor


def layer_weights(operator: Operator, tensors: Sequence[Tensor]) -> LayerWeights | None:
    """Return the weights of an operator; None where it has none.

    It has none either where a tensor has another rank than TensorFlow Lite's kernels demand, so
    that no interpreter runs the model.
    """
    if operator.is_custom or operator.type not in _SOURCE:
        return None
    source = at(operator, _SOURCE[operator.type], tensors)
    weights, result = at(operator, 1, tensors), tensors[operator.outputs[0]]
    if weights is None or source is None:
        return None
    shape, dense = weights.shape, operator.type == "FULLY_CONNECTED"
    ranks = {len(tensor.shape) for tensor in ((weights,) if dense else (weights, source, result))}
    if ranks != {2 if dense else _RANK_OF_MAP}:
        return None
    if dense:
        return LayerWeights(shape[0], 1, 1, shape[1], weights, source, result)
    if operator.type == "DEPTHWISE_CONV_2D":
        _, height, width, outputs = shape
        return LayerWeights(outputs, height, width, 1, weights, source, result)
    outputs, height, width, inputs = shape
    return LayerWeights(outputs, height, width, inputs, weights, source, result)


# Of the LSTM kernels: weights from the input to the gates, from the last output to them, and the
# projection (tensorflow/lite/kernels/lstm_shared.h).
LSTM_WEIGHTS = (*range(1, 9), 16)
_BASIC_LSTM_INPUTS = 5
_BASIC_LSTM_WEIGHTS = (2,)


def macs(operator: Operator, tensors: Sequence[Tensor]) -> int:
    """Return the multiply-accumulates of one run of an operator.

    Those on the zeros of a padding are counted too, as is usual. Operators that multiply no two
    tensors of values along a sum have none: neither pooling nor element-wise ones.
    """
    if operator.is_custom:
        return 0
    if operator.type in ("LSTM", "UNIDIRECTIONAL_SEQUENCE_LSTM"):
        return _lstm(operator, tensors)
    if operator.type == "BATCH_MATMUL":
        return _batch_matmul(operator, tensors)
    found = layer_weights(operator, tensors)
    if found is None:
        return 0
    taps = found.height * found.width * found.inputs
    if operator.type == "TRANSPOSE_CONV":
        # Each input pixel is multiplied by all weights.
        return prod(extent(found.source)[:-1]) * taps * found.outputs
    return found.result.size * taps


def share_of_macs(
    part: Iterable[Operator], whole: Iterable[Operator], tensors: Sequence[Tensor]
) -> float:
    """Return the MACs of some operators over those of all, from 0 to 1; 0 where all have none."""
    total = sum(macs(operator, tensors) for operator in whole)
    return sum(macs(operator, tensors) for operator in part) / total if total else 0.0


def share_on_edgetpu(placed: Match, original: Graph) -> float:
    """Return the MACs on the Edge TPU over all of the model that was compiled, from 0 to 1."""
    operators = original.main.operators
    mapped, left = ([operators[at] for at in side] for side in (placed.edgetpu, placed.cpu))
    return share_of_macs(mapped, [*mapped, *left], original.main.tensors)


def _lstm(operator: Operator, tensors: Sequence[Tensor]) -> int:
    basic = operator.type == "LSTM" and len(operator.inputs) == _BASIC_LSTM_INPUTS
    positions = _BASIC_LSTM_WEIGHTS if basic else LSTM_WEIGHTS
    weights = [at(operator, position, tensors) for position in positions]
    # Every step of every example reads all weights once.
    steps = prod(extent(tensors[operator.inputs[0]])[:-1])
    return steps * sum(weight.size for weight in weights if weight is not None)


def _batch_matmul(operator: Operator, tensors: Sequence[Tensor]) -> int:
    # The dimension that is summed over is the last of the left matrices, or the last but one.
    summed = extent(tensors[operator.inputs[0]])[-2:]
    if len(summed) < 2:
        return 0
    return tensors[operator.outputs[0]].size * summed[0 if operator.options.get("adjX") else 1]


_TILE = 4  # pixels a side
_INPUTS = 4
_OUTPUTS = 16
_FEWEST = 16  # cycles for a block of outputs


def convolution_cycles(operator: Operator, tensors: Sequence[Tensor]) -> int:
    """Return the cycles that the compiler estimates for a CONV_2D; 0 for any other operator.

    On a single pixel the outputs are spread over all tiles and take next to none: 64 to 1,040
    cycles were left for the last layer of MobileNets.
    """
    found = layer_weights(operator, tensors) if operator.type == "CONV_2D" else None
    if found is None or prod(extent(found.result)[1:3]) == 1:
        return 0
    taps = found.height * found.width * -(-found.inputs // _INPUTS)
    return _tiles(found) * max(taps, _FEWEST) * -(-found.outputs // _OUTPUTS)


def depthwise_steps(operator: Operator, tensors: Sequence[Tensor]) -> int:
    """Return the taps of a DEPTHWISE_CONV_2D over tiles of 4x4 pixels and blocks of 16 channels.

    0 for any other operator. The compiler estimates no cycles for them; how long they take is
    fitted to published latencies, in :mod:`quantline.edgetpu.cost.latency`.
    """
    found = layer_weights(operator, tensors) if operator.type == "DEPTHWISE_CONV_2D" else None
    if found is None:
        return 0
    return _tiles(found) * found.height * found.width * -(-found.outputs // _OUTPUTS)


def _tiles(found: LayerWeights) -> int:
    _, height, width, _ = extent(found.result)
    return -(-height // _TILE) * -(-width // _TILE)
