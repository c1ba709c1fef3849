"""The bytes of operators without weights: matrices that move channels, and constants.

The chip keeps the channels of a pixel in blocks of 4. What moves channels out of their blocks is a
product with a matrix of zeros and ones, which counts as parameters. A RESHAPE needs none as long as
blocks stay whole.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from quantline.edgetpu.cost.rules import (
    BLOCK,
    UNSEEN,
    Part,
    aligned_bytes,
    between,
    channels,
    exactly,
    matrix_bytes,
    round_up,
    stored_values,
    vector_bytes,
)
from quantline.edgetpu.vocabulary import at, axes, extent, given

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantline.tflite.graph import Operator, Tensor

RESHAPES = frozenset({"EXPAND_DIMS", "RESHAPE", "SQUEEZE"})

# Up to this runtime version no matrix was seen, and a SOFTMAX masks nothing.
_OLD_RUNTIME = 12
_GROUP = 16  # values, of which groups of pixels give a multiple


def reshape(source: Tensor, result: Tensor, runtime_version: int, from_host: bool) -> Part:
    """Return the part of a RESHAPE, or of what amounts to one.

    ``from_host``: it reads an input of the model, quantized at the most.
    """
    old, new = channels(source), channels(result)
    if old == new or not (old % BLOCK or new % BLOCK):
        return exactly("blocks stay whole", 0)
    if from_host and 1 in (old, new):
        return exactly("the host sends one channel", 0)
    if new < old:
        # Behind a convolution its outputs are spread; see spread_outputs.
        width = _split(source, result) or old
        return between("channels split by a RESHAPE", 0, matrix_bytes(round_up(old, BLOCK), width))
    return _packing(source, new, runtime_version)


def spread_outputs(consumer: Operator, tensors: Sequence[Tensor]) -> int | None:
    """Return how many outputs a convolution spreads for its only reader, if that is a RESHAPE."""
    if consumer.type not in RESHAPES:
        return None
    return _split(tensors[consumer.inputs[0]], tensors[consumer.outputs[0]])


def _packing(source: Tensor, new: int, runtime_version: int) -> Part:
    old = channels(source)
    if new % old:
        return between(UNSEEN, 0, matrix_bytes(stored_values(source), new))
    at_once = matrix_bytes(new // old * round_up(old, BLOCK), new)
    if runtime_version <= _OLD_RUNTIME:
        return between("pixels packed at once", 0, at_once)
    grouped = _group(source)
    if grouped is None:
        return exactly("pixels packed at once", at_once)
    return between("pixels packed in groups", grouped, 0)


def _group(source: Tensor) -> int | None:
    """Return the bytes of the matrix that packs groups of pixels; None where no row has such."""
    # 16 pixels of a channel, and an identity matrix of 16, were found in maps of 64 and 128 a side.
    old, width = channels(source), extent(source)[-2]
    for count in range(2, width + 1):
        if width % count == 0 and count * old % _GROUP == 0:
            return matrix_bytes(count * round_up(old, BLOCK), count * old)
    return None


def _split(source: Tensor, result: Tensor) -> int | None:
    """Return the channels of a pixel that a RESHAPE splits into several, or None."""
    old, new = channels(source), channels(result)
    if new >= old or old % new or not new % BLOCK:
        return None
    return old // new * round_up(new, BLOCK)


_PLACED = 16  # channels, whole multiples of which are only placed

_CUTS = frozenset({"PACK", "SLICE", "SPLIT", "STRIDED_SLICE", "TRANSPOSE"})
_ELEMENTWISE = frozenset({"ADD", "MAXIMUM", "MINIMUM", "MUL", "PRELU", "SQUARED_DIFFERENCE", "SUB"})
# Operators that were seen without parameters, and those that only clip.
_WITHOUT = frozenset({
    "AVERAGE_POOL_2D", "LOGISTIC", "MAX_POOL_2D", "QUANTIZE", "RELU", "RELU6", "RELU_N1_TO_1",
    "TANH",
})  # fmt: skip


def rearrangement(
    operator: Operator, tensors: Sequence[Tensor], runtime_version: int, from_host: bool
) -> list[Part]:
    """Return the parts of an operator that has no weights.

    ``from_host``: it reads an input of the model, quantized at the most.
    """
    if operator.type in _ELEMENTWISE:
        return _constants(operator, tensors)
    return [_single(operator, tensors, runtime_version, from_host)]


def _single(
    operator: Operator, tensors: Sequence[Tensor], runtime_version: int, from_host: bool
) -> Part:
    source, result = tensors[operator.inputs[0]], tensors[operator.outputs[0]]
    old, new = channels(source), channels(result)
    if operator.type in RESHAPES:
        found = reshape(source, result, runtime_version, from_host)
    elif operator.type == "SOFTMAX":
        is_masked = runtime_version > _OLD_RUNTIME
        masks = 3 * vector_bytes(new) if new % BLOCK else 0
        found = exactly("masked softmax", masks) if is_masked else exactly("no parameters", 0)
    elif operator.type == "PAD" and old != new:
        found = between("channels added by PAD", _identity(old, new), 0)
    elif operator.type == "CONCATENATION":
        found = _concatenation(operator, tensors)
    elif operator.type in _CUTS:
        found = _cut(operator, tensors)
    elif operator.type in _WITHOUT | {"PAD"} or _is_mean_of_pixels(operator, tensors):
        found = exactly("no parameters", 0)
    else:
        found = between(UNSEEN, 0, _identity(new, new))
    return found


def _concatenation(operator: Operator, tensors: Sequence[Tensor]) -> Part:
    rank = len(tensors[operator.outputs[0]].shape)
    if not rank or operator.options.get("axis", 0) % rank != rank - 1:
        return exactly("no parameters", 0)
    joined = [channels(source) for source in given(operator.inputs, tensors)]
    starts = list(accumulate(joined))[:-1]
    if not any(start % _PLACED for start in starts):
        return exactly("whole blocks joined", 0)
    product = matrix_bytes(sum(round_up(width, BLOCK) for width in joined), sum(joined))
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
    inputs, last = given(operator.inputs, tensors), channels(tensors[operator.outputs[0]])
    parts = []
    for constant in (source for source in inputs if source.constant is not None):
        words, stored = vector_bytes(constant.size), aligned_bytes(constant.size)
        if constant.size in (1, last):
            parts.append(between("a constant for each channel", words, stored))
        else:
            parts.append(between("a constant map", stored, words))
    return parts or [exactly("no parameters", 0)]


def _is_mean_of_pixels(operator: Operator, tensors: Sequence[Tensor]) -> bool:
    rank = len(tensors[operator.inputs[0]].shape)
    return operator.type == "MEAN" and rank - 1 not in axes(at(operator, 1, tensors), rank)


def _identity(inputs: int, outputs: int) -> int:
    return matrix_bytes(round_up(inputs, BLOCK), outputs)
