"""Constants that are infinite or near the largest float, replaced where that changes nothing.

Exports of other frameworks pad with -3.4e38 or -inf before they look for a maximum, and limit
values by bounds that none reaches. In float this costs nothing; a quantizer would take such a
constant into a range, in which every other value is then the same integer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from quantline.tflite.editor import Editor, indices
from quantline.tflite.graph import Operator, Subgraph, Tensor, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Change = tuple[str, Callable[[Editor], None]]

HUGE = 1e30
"""The least magnitude of a huge constant: next to it, usual activations vanish in float32."""

_NOT_NEGATIVE = {"RELU", "RELU6", "RELU_0_TO_1", "LOGISTIC", "SOFTMAX", "ABS", "EXP", "SQRT",
                 "SQUARE"}  # fmt: skip
_COPIES = {"RESHAPE", "TRANSPOSE", "SQUEEZE", "EXPAND_DIMS", "MAX_POOL_2D", "AVERAGE_POOL_2D",
           "CONCATENATION", "PAD"}  # fmt: skip
# What keeps a bound at this sign of infinity from ever being reached.
_LIMITS = {"MAXIMUM": -1.0, "MINIMUM": 1.0}


def is_huge(tensor: Tensor) -> bool:
    """Return True if a float constant holds a value that is infinite or near the largest float."""
    if tensor.constant is None or tensor.is_sparse or tensor.dtype != "float32":
        return False
    return bool((np.abs(tensor.values()) >= HUGE).any())


def with_finite_constants(model: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Return a float model without needless huge constants, and descriptions of the changes.

    - A PADV2 whose padding is only looked for a maximum in. Of values that are never negative the
      padding becomes 0. Of others it becomes the mirror image of the edge, where each window that
      meets the padding holds the values that are mirrored there too: a copy changes no maximum.
    - A MAXIMUM or MINIMUM with a bound that no value reaches: it gives its other input.
    """
    graph = read(model)
    found = [
        limit
        for subgraph in graph.subgraphs
        for operator in subgraph.operators
        if (limit := _limit(subgraph, operator) or _padding(subgraph, operator)) is not None
    ]
    if not found:
        return model, ()
    editor = Editor(model)
    for _, edit in found:
        edit(editor)
    editor.prune()
    return editor.pack(), tuple(change for change, _ in found)


def _limit(subgraph: Subgraph, operator: Operator) -> Change | None:
    """Find a bound that is out of reach: every one of its values has the sign that is."""
    sign = _LIMITS.get(operator.type)
    if sign is None or len(operator.inputs) != 2:
        return None
    tensors = [subgraph.tensors[index] for index in operator.inputs]
    huge = [tensor for tensor in tensors if is_huge(tensor)]
    bounds = [tensor for tensor in huge if (sign * tensor.values() >= HUGE).all()]
    if len(bounds) != 1:
        return None
    (kept,) = (tensor for tensor in tensors if tensor is not bounds[0])
    output = subgraph.tensors[operator.outputs[0]]
    if kept.shape != output.shape or kept.dtype != output.dtype:
        return None  # it broadcasts too

    def edit(editor: Editor) -> None:
        place = editor.subgraphs[subgraph.index].operators[operator.index]
        place.inputs = indices([kept.index, kept.index])

    change = f"{operator.type} with the bound {bounds[0].values().flat[0]:g} gives its other input"
    return f"{change}, '{kept.name}'", edit


def _padding(subgraph: Subgraph, operator: Operator) -> Change | None:
    """Find a padding that loses every comparison."""
    if operator.type != "PADV2" or operator.outputs[0] in subgraph.outputs:
        return None
    taken, sizes, value = (subgraph.tensors[index] for index in operator.inputs)
    padded = subgraph.tensors[operator.outputs[0]]
    if not (is_huge(value) and (value.values() <= -HUGE).all() and sizes.constant is not None):
        return None
    pads = sizes.values().astype(int)
    readers = subgraph.consumers.get(padded.index, [])
    is_known = taken.is_static and padded.is_static and pads.shape == (len(padded.shape), 2)
    if not (is_known and readers and len(taken.shape) == len(padded.shape)):
        return None

    def windows() -> Iterator[tuple[range, int, int]]:
        for axis in np.flatnonzero(pads.any(axis=1)).tolist():
            for reader in readers:
                for window in _windows(subgraph, reader, axis, padded.shape[axis]):
                    yield window, int(pads[axis, 0]), taken.shape[axis]

    if not all(_meets_values(*window) for window in windows()):
        return None
    if _is_not_negative(subgraph, taken.index):
        kind, number = "PAD with 0", schema.BuiltinOperator.PAD
        options: Any = (schema.BuiltinOptions.PadOptions, schema.PadOptionsT())
    elif (pads.T <= taken.shape).all() and all(_meets_images(*window) for window in windows()):
        kind, number = "MIRROR_PAD", schema.BuiltinOperator.MIRROR_PAD
        mirror = schema.MirrorPadOptionsT()
        mirror.mode = schema.MirrorPadMode.SYMMETRIC
        options = (schema.BuiltinOptions.MirrorPadOptions, mirror)
    else:
        return None

    def edit(editor: Editor) -> None:
        place = editor.subgraphs[subgraph.index].operators[operator.index]
        place.opcodeIndex = editor.add_code(number)
        place.inputs = indices([taken.index, sizes.index])
        place.builtinOptionsType, place.builtinOptions = options

    readers_text = " and ".join(sorted({reader.type for reader in readers}))
    padding = f"the padding {value.values().flat[0]:g} of '{padded.name}'"
    return f"{padding} became {kind}: {readers_text} looks for a maximum", edit


def _windows(subgraph: Subgraph, reader: Operator, axis: int, size: int) -> Iterator[range]:
    """Yield the places along an axis of which an operator takes the maximum, or each alone."""
    width = stride = 1
    ahead, count = 0, size
    if reader.type == "MAX_POOL_2D" and axis in (1, 2):
        names = ("filterHeight", "strideH") if axis == 1 else ("filterWidth", "strideW")
        width, stride = (max(int(reader.options[name]), 1) for name in names)
        count = (size - width) // stride + 1
        if reader.options["padding"] == schema.Padding.SAME:
            # The runtime's own padding, of which it takes no value (padding.h).
            count = -(-size // stride)
            ahead = max((count - 1) * stride + width - size, 0) // 2
    elif reader.type == "REDUCE_MAX":
        axes = subgraph.tensors[reader.inputs[1]]
        rank = len(subgraph.tensors[reader.inputs[0]].shape)
        if axes.constant is not None and axis in {number % rank for number in axes.values().flat}:
            width, count = size, 1
    for start in range(-ahead, count * stride - ahead, stride):
        yield range(max(start, 0), min(start + width, size))


def _meets_values(window: range, before: int, size: int) -> bool:
    """Return True if a window over a padded axis holds a value that is no padding."""
    return window.start < before + size and window.stop > before


def _meets_images(window: range, before: int, size: int) -> bool:
    """Return True if a window holds, of each padding in it, the value that is mirrored there."""
    end = before + size
    images = [2 * before - 1 - at for at in window if at < before]
    images += [2 * end - 1 - at for at in window if at >= end]
    return all(image in window for image in images)


def _is_not_negative(subgraph: Subgraph, index: int) -> bool:
    """Return True if a tensor's producers show that it holds no value below 0."""
    waiting = [index]
    for at in waiting:  # grows while it is walked
        tensor, producer = subgraph.tensors[at], subgraph.producers.get(at)
        if tensor.constant is not None:
            if tensor.is_sparse or (tensor.values() < 0).any():
                return False
        elif producer is None:
            return False
        elif producer.type in _COPIES:
            floats = [index for index in producer.inputs
                      if index >= 0 and subgraph.tensors[index].dtype == "float32"]  # fmt: skip
            waiting += [index for index in floats if index not in waiting]
        elif producer.type not in _NOT_NEGATIVE and producer.options.get(
            "fusedActivationFunction"
        ) not in (schema.ActivationFunctionType.RELU, schema.ActivationFunctionType.RELU6):
            return False
    return True
