"""The bytes of what operators without weights need: matrices that move channels, and constants.

The chip keeps the channels of a pixel in blocks of 4. What moves channels out of their blocks is
a product with a matrix of zeros and ones, which counts as parameters.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from quantline.edgetpu.cost.blocks import BLOCK, aligned, channels, matrix, spread, up
from quantline.edgetpu.cost.reshapes import RESHAPES, reshape
from quantline.edgetpu.cost.rules import UNSEEN, between, exactly
from quantline.edgetpu.tensors import at, axes, elements, given

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantline.edgetpu.cost.rules import Part
    from quantline.tflite.graph import Operator, Tensor

# Up to this runtime version a SOFTMAX masks nothing.
_OLD_RUNTIME = 12
_PLACED = 16  # channels, whole multiples of which are only placed

_CUTS = frozenset({"PACK", "SLICE", "SPLIT", "STRIDED_SLICE", "TRANSPOSE"})
_ELEMENTWISE = frozenset({"ADD", "MAXIMUM", "MINIMUM", "MUL", "PRELU", "SQUARED_DIFFERENCE", "SUB"})
# Operators that were seen without parameters, and those that only clip.
_WITHOUT = frozenset(
    {
        "AVERAGE_POOL_2D", "LOGISTIC", "MAX_POOL_2D", "QUANTIZE", "RELU", "RELU6", "RELU_N1_TO_1",
        "TANH",
    }
)  # fmt: skip


def rearrangement(
    operator: Operator, tensors: Sequence[Tensor], runtime_version: int, from_host: bool
) -> list[Part]:
    """Return the parts of an operator that has no weights.

    Args:
        operator: The operator.
        tensors: All tensors of its subgraph.
        runtime_version: The Edge TPU runtime that it is compiled for.
        from_host: Whether it reads an input of the model, quantized at the most.
    """
    if operator.type in _ELEMENTWISE:
        return _constants(operator, tensors)
    return [_single(operator, tensors, runtime_version, from_host)]


def _single(
    operator: Operator, tensors: Sequence[Tensor], runtime_version: int, from_host: bool
) -> Part:
    source, result = tensors[operator.inputs[0]], tensors[operator.outputs[0]]
    if operator.type in RESHAPES:
        found = reshape(source, result, runtime_version, from_host)
    elif operator.type == "SOFTMAX":
        found = _softmax(result, runtime_version)
    elif operator.type == "PAD":
        found = _pad(source, result)
    elif operator.type == "CONCATENATION":
        found = _concatenation(operator, tensors)
    elif operator.type in _CUTS:
        found = _cut(operator, tensors)
    elif operator.type in _WITHOUT or _is_mean_of_pixels(operator, tensors):
        found = exactly("no parameters", 0)
    else:
        found = between(UNSEEN, 0, _identity(channels(result), channels(result)))
    return found


def _softmax(result: Tensor, runtime_version: int) -> Part:
    if runtime_version <= _OLD_RUNTIME:
        return exactly("no parameters", 0)
    values = channels(result)
    return exactly("masked softmax", 3 * spread(values) if values % BLOCK else 0)


def _pad(source: Tensor, result: Tensor) -> Part:
    old, new = channels(source), channels(result)
    if old == new:
        return exactly("no parameters", 0)
    return between("channels added by PAD", _identity(old, new), 0)


def _concatenation(operator: Operator, tensors: Sequence[Tensor]) -> Part:
    rank = len(tensors[operator.outputs[0]].shape)
    if not rank or operator.options.get("axis", 0) % rank != rank - 1:
        return exactly("no parameters", 0)
    joined = [channels(source) for source in given(operator.inputs, tensors)]
    starts = list(accumulate(joined))[:-1]
    if not any(start % _PLACED for start in starts):
        return exactly("whole blocks joined", 0)
    product = matrix(sum(up(width, BLOCK) for width in joined), sum(joined))
    is_broken = any(start % BLOCK for start in starts)
    return between("parts of blocks joined", product if is_broken else 0, 0, product)


def _cut(operator: Operator, tensors: Sequence[Tensor]) -> Part:
    results = [tensors[index] for index in operator.outputs]
    source = tensors[operator.inputs[1 if operator.type == "SPLIT" else 0]]
    if len(results) == 1 and results[0].shape == source.shape:
        return exactly("no parameters", 0)
    same = {channels(result) for result in results} == {channels(source)}
    if same and operator.type not in ("PACK", "TRANSPOSE"):
        return exactly("no parameters", 0)
    width = sum(channels(result) for result in results)
    return between("channels cut or reordered", 0, _identity(channels(source), width))


def _constants(operator: Operator, tensors: Sequence[Tensor]) -> list[Part]:
    constants = [
        source for source in given(operator.inputs, tensors) if source.constant is not None
    ]
    last = channels(tensors[operator.outputs[0]])
    parts = []
    for constant in constants:
        words, stored = spread(elements(constant)), aligned(elements(constant))
        if elements(constant) in (1, last):
            parts.append(between("a constant for each channel", words, stored))
        else:
            parts.append(between("a constant map", stored, words))
    return parts or [exactly("no parameters", 0)]


def _is_mean_of_pixels(operator: Operator, tensors: Sequence[Tensor]) -> bool:
    rank = len(tensors[operator.inputs[0]].shape)
    return operator.type == "MEAN" and rank - 1 not in axes(at(operator, 1, tensors), rank)


def _identity(inputs: int, outputs: int) -> int:
    return matrix(up(inputs, BLOCK), outputs)
