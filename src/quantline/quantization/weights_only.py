"""Schemes that quantize weights and leave activations float: float16 and dynamic range.

TensorFlow does this inside its conversion from a SavedModel; nothing in it takes a float
``.tflite`` for it. Here it is an edit of the flatbuffer, tested to give what the public converter
gives: the same values, scales, dtypes, operators and operator versions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.tflite.editor import Editor

if TYPE_CHECKING:
    from quantline.tflite import Graph

# TensorFlow's quantizer leaves smaller weights in float: they would not pay.
MIN_ELEMENTS = 1024
_LARGEST_FLOAT16 = 65504.0
_NEAR_ZERO = 1e-6


@dataclass(frozen=True)
class _Kernel:
    """An operator's kernel for int8 weights and float activations.

    Attributes:
        operand: The position of its weights among its inputs.
        axis: Along which dimension scales differ; None for one scale.
        version: The operator version that knows such weights.
    """

    operand: int
    axis: int | None
    version: int


_KERNELS = {
    "CONV_2D": _Kernel(1, 0, 5),
    "DEPTHWISE_CONV_2D": _Kernel(1, 3, 6),
    "FULLY_CONNECTED": _Kernel(1, 0, 12),
    "BATCH_MATMUL": _Kernel(1, None, 4),
    "TRANSPOSE_CONV": _Kernel(1, 0, 1),
    "EMBEDDING_LOOKUP": _Kernel(1, 0, 3),
    "GATHER": _Kernel(0, None, 2),
}


def to_float16(model: bytes) -> bytes:
    """Store every float constant as float16, with a DEQUANTIZE that widens it in each run."""
    editor = Editor(model)
    for subgraph in editor.subgraphs:
        widening = []
        for index, _ in editor.float_constants(subgraph):
            limited = np.clip(
                editor.values(subgraph, index), -_LARGEST_FLOAT16, _LARGEST_FLOAT16
            ).astype(np.float16)
            half = editor.add_tensor(subgraph, index, "float16")
            editor.store(subgraph, half, limited)
            # The constant's own tensor, which its readers keep, becomes the widened one.
            subgraph.tensors[index].buffer = 0
            widening.append(editor.operator("DEQUANTIZE", 3, [half], [index]))
        subgraph.operators = widening + list(subgraph.operators or ())
    editor.drop_codes_and_buffers()
    return editor.pack()


def to_dynamic_range(model: bytes) -> bytes:
    """Store weights as int8; kernels quantize their float input anew each time they run."""
    editor = Editor(model)
    for subgraph in editor.subgraphs:
        for index, readers in editor.float_constants(subgraph):
            values = editor.values(subgraph, index)
            if values.size < MIN_ELEMENTS:
                continue
            by_axis: dict[int | None, list[Any]] = {}
            for operator, operand in readers:
                kernel = _KERNELS.get(editor.type_of(operator))
                if kernel is not None and kernel.operand == operand:
                    by_axis.setdefault(kernel.axis, []).append(operator)
            taken = sum(len(operators) for operators in by_axis.values())
            for number, (axis, operators) in enumerate(by_axis.items()):
                # Readers of the weights as float, or along another axis, get a tensor of their own.
                alone = number == 0 and taken == len(readers)
                stored = index if alone else editor.add_tensor(subgraph, index, "int8")
                integers, scales = quantize_weights(values, axis)
                editor.store(subgraph, stored, integers, scales, axis or 0)
                for operator in operators:
                    _use_hybrid_kernel(editor, subgraph, operator, stored)
    editor.drop_codes_and_buffers()
    return editor.pack()


def left_in_float(graph: Graph) -> list[str]:
    """Return the types of operators that keep large float weights under dynamic range."""
    found = {
        operator.type
        for subgraph in graph.subgraphs
        for operator in subgraph.operators
        if operator.type not in _KERNELS
        for index in operator.inputs
        if index >= 0 and _is_large_constant(subgraph.tensors[index])
    }
    return sorted(found)


def quantize_weights(values: np.ndarray, axis: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Quantize weights symmetrically to [-127, 127], as TensorFlow does.

    Args:
        values: float32 array of the weights' shape.
        axis: Along which dimension scales differ; None for one scale.

    Returns:
        int8 array of the same shape, and float32 array of shape (n_scales,).
    """
    others = None if axis is None else tuple(index for index in range(values.ndim) if index != axis)
    wide = values.astype(np.float64)
    largest = np.abs(wide).max(axis=others, keepdims=True)
    spread = wide.max(axis=others, keepdims=True) - wide.min(axis=others, keepdims=True)
    floor = np.maximum(largest, _NEAR_ZERO / 2)
    scales = np.where(spread < _NEAR_ZERO, floor, largest) / 127
    scaled = wide / scales
    rounded = np.trunc(scaled + np.copysign(0.5, scaled))
    return np.clip(rounded, -127, 127).astype(np.int8), scales.astype(np.float32).ravel()


def _is_large_constant(tensor: Any) -> bool:
    floats = tensor.dtype == "float32" and tensor.constant is not None
    return bool(floats and len(tensor.constant) >= 4 * MIN_ELEMENTS)


def _use_hybrid_kernel(editor: Editor, subgraph: Any, operator: Any, weights: int) -> None:
    kind = editor.type_of(operator)
    kernel = _KERNELS[kind]
    operator.inputs = np.array(operator.inputs)  # as it was read, it cannot be written
    operator.inputs[kernel.operand] = weights
    editor.raise_version(operator, kernel.version)
    if hasattr(operator.builtinOptions, "asymmetricQuantizeInputs"):
        operator.builtinOptions.asymmetricQuantizeInputs = True
    if kind == "GATHER":
        # It copies integers as they are; its result is widened afterwards.
        output = int(operator.outputs[0])
        gathered = editor.add_tensor(subgraph, output, "int8")
        subgraph.tensors[gathered].quantization = subgraph.tensors[weights].quantization
        operator.outputs = np.asarray([gathered], np.int32)
        place = next(i for i, value in enumerate(subgraph.operators) if value is operator)
        widening = editor.operator("DEQUANTIZE", 2, [gathered], [output])
        subgraph.operators.insert(place + 1, widening)
