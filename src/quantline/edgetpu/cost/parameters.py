"""How many bytes an operator's parameters take on the Edge TPU, in the compiler's layout.

Weights lie in blocks of 4 inputs by 4 outputs, in front of them a 32-bit bias for each output,
and where outputs differ in scale another 32 bits for that. Inputs are filled up to blocks of 4; up
to 64 outputs to blocks of 16, more to blocks of 64. Each operator's parameters are filled up to 64
bytes.

The layout was read from the parameters in compiled files, where the biases of the original model,
found again, tell where each layer begins. It gives the size of every fully quantized convolutional
network at hand to the byte.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from quantline.edgetpu.cost.kernel import kernel
from quantline.edgetpu.cost.work import LSTM_WEIGHTS
from quantline.edgetpu.tensors import at, elements, extent, given

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from quantline.edgetpu.cost.kernel import Kernel
    from quantline.tflite.graph import Operator, Subgraph, Tensor

# Vectors of this length and more are handled in another way: weights on them are streamed (seen
# with 16,384 and 94,400 inputs; on 5,904 they were cached).
LONG_VECTOR = 16_384

# From this runtime version on, a map becomes a vector by a product with an identity matrix.
_FLATTENED_SINCE = 13

_ALIGNMENT = 64  # bytes, of each operator's parameters
_BLOCK = 4  # inputs, and outputs, of the smallest block of weights
_WORD = 4  # bytes of a bias, and of a scale
_ELEMENTWISE = frozenset({"ADD", "MAXIMUM", "MINIMUM", "MUL", "PRELU", "SQUARED_DIFFERENCE", "SUB"})
# A SOFTMAX of 1,001 values to int8 adds 48 KiB, one to uint8 nothing.
_SOFTMAX_BYTES = 48  # a value


def parameter_bytes(
    subgraph: Subgraph, chosen: Collection[int], runtime_version: int
) -> dict[int, int]:
    """Return the bytes of parameters of each operator that is compiled for the Edge TPU.

    Args:
        subgraph: The main subgraph of the model before compilation.
        chosen: Indices of the operators that are compiled.
        runtime_version: The Edge TPU runtime that they are compiled for.

    Returns:
        Bytes by operator index, for the operators chosen.
    """
    straight = _straight_from_input(subgraph)
    flattens = runtime_version >= _FLATTENED_SINCE
    found = {}
    for operator in subgraph.operators:
        if operator.index in chosen:
            size = _own(operator, subgraph.tensors)
            if flattens and not straight.intersection(operator.inputs):
                size += _flattening(operator, subgraph.tensors)
            found[operator.index] = size
    return found


def _straight_from_input(subgraph: Subgraph) -> set[int]:
    # The host sends an input in any order that the program wants: no need to rearrange it.
    found = set(subgraph.inputs)
    for operator in subgraph.operators:
        if operator.type == "QUANTIZE" and found.intersection(operator.inputs):
            found.update(operator.outputs)
    return found


def _own(operator: Operator, tensors: Sequence[Tensor]) -> int:
    found = kernel(operator, tensors)
    if found is not None:
        return _weights(operator, found)
    if operator.type in ("LSTM", "UNIDIRECTIONAL_SEQUENCE_LSTM"):
        return _lstm(operator, tensors)
    if operator.type == "SOFTMAX":
        return _softmax(tensors[operator.outputs[0]])
    if operator.type in _ELEMENTWISE:
        operands = given(operator.inputs, tensors)
        return sum(_aligned(elements(each)) for each in operands if each.constant is not None)
    return 0


def _flattening(operator: Operator, tensors: Sequence[Tensor]) -> int:
    """Return the bytes of the identity matrix that makes a map a vector.

    A RESHAPE does it, or a FULLY_CONNECTED that reads a map. Seen in the parameters of a compiled
    model (a map of 3x3x1), and equal to the last digit to what the compiler printed for one of
    180x27: 23.40 MiB.
    """
    found = kernel(operator, tensors) if operator.type == "FULLY_CONNECTED" else None
    if found is None and operator.type != "RESHAPE":
        return 0
    source, result = tensors[operator.inputs[0]], tensors[operator.outputs[0]]
    count = elements(source)
    length = found.inputs if found else extent(result)[-1] if result.shape else 1
    if _pixels(source) == 1 or length != count or count >= LONG_VECTOR:
        return 0
    return _matrix(_blocks_of_inputs(source), count)


def _weights(operator: Operator, found: Kernel) -> int:
    words = _words(found.weights)
    if operator.type == "FULLY_CONNECTED":
        # On a map, every pixel's channels are filled up by themselves.
        whole = elements(found.source) == found.inputs
        inputs = _blocks_of_inputs(found.source) if whole else _up(found.inputs, _BLOCK)
        return _matrix(inputs, found.outputs, words)
    taps = found.height * found.width
    channels = extent(found.source)[-1]
    if operator.type == "DEPTHWISE_CONV_2D" and not channels == 1 < found.outputs:
        # A channel's weight takes a diagonal of a block of 4 by 4, the rest of it is zeros.
        return _aligned((taps + words) * _WORD * _up(found.outputs, _BLOCK))
    # Seen for a single output; 8 take a block of 16.
    block = _BLOCK if found.outputs <= _BLOCK else 0
    return _matrix(taps * _up(found.inputs, _BLOCK), found.outputs, words, block)


def _lstm(operator: Operator, tensors: Sequence[Tensor]) -> int:
    weights = [at(operator, position, tensors) for position in LSTM_WEIGHTS]
    return sum(
        _matrix(_up(each.shape[-1], _BLOCK), each.shape[0], _words(each))
        for each in weights
        if each is not None and each.constant is not None and len(each.shape) > 1
    )


def _softmax(result: Tensor) -> int:
    values = extent(result)[-1] if result.shape else 1
    if result.dtype != "int8" or values >= LONG_VECTOR:
        return 0
    return _SOFTMAX_BYTES * _up(values, 64)


def _matrix(inputs: int, outputs: int, words: int = 1, block: int = 0) -> int:
    """Return the bytes of weights and biases, inputs being filled up already."""
    rows = _up(outputs, block or (64 if outputs > 64 else 16))
    return _aligned((inputs + words * _WORD) * rows)


def _words(weights: Tensor) -> int:
    # A single scale given once for each output is a single scale.
    scales = weights.quantization.scales if weights.quantization else ()
    return 2 if len(set(scales)) > 1 else 1


def _pixels(tensor: Tensor) -> int:
    return prod(extent(tensor)[1:-1]) if len(tensor.shape) > 2 else 1


def _blocks_of_inputs(source: Tensor) -> int:
    shape = extent(source)
    return prod(shape[:-1]) * _up(shape[-1], _BLOCK) if shape else _BLOCK


def _up(count: int, block: int) -> int:
    return -(-count // block) * block


def _aligned(size: int) -> int:
    return _up(size, _ALIGNMENT)
