"""Bias correction: the error that rounding the weights adds to a layer's mean output, subtracted.

Source: Nagel, van Baalen, Blankevoort and Welling, Data-Free Quantization Through Weight
Equalization and Bias Correction (2019), section 4.2. A layer of weights ``W``, quantized to
``W + e``, gives for inputs of mean ``m`` outputs that are ``e m`` larger on average; the bias is
corrected by ``-e m``. The means are those of the float model over calibration samples, of every
position of an image, so that zero padding counts as it does in the layer. No labels are needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from quantline.tflite import CONVERSIONS, Model, Runtime, with_outputs
from quantline.tflite.editor import Editor

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from quantline.ranges import Values
    from quantline.tflite import Graph, Operator, Tensor

_LAYERS = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}
_SAME = 0  # schema.fbs, Padding


def mean_inputs(model: Model, samples: Iterable[Values]) -> dict[int, np.ndarray]:
    """Return the mean of each layer's input over samples, by tensor index.

    Returns:
        float64 arrays of the tensors' shapes; none where the model has no layer with weights.
    """
    operators = model.graph.main.operators
    found = sorted({operator.inputs[0] for operator in operators if operator.type in _LAYERS})
    if not found:
        return {}
    runtime = Runtime(with_outputs(model.content, found))
    sums = [np.zeros(port.shape) for port in runtime.outputs]
    count = 0
    for sample in samples:
        runtime.set(*sample)
        runtime.invoke()
        sums = [total + value for total, value in zip(sums, runtime.get(), strict=True)]
        count += 1
    return {index: total / count for index, total in zip(found, sums, strict=True)}


def correct_biases(
    float_model: Model, quantized: Model, means: dict[int, np.ndarray]
) -> tuple[Model, int]:
    """Return the quantized model with corrected biases, and how many layers were corrected.

    A layer stays as it is where its weights or its bias are not integers, or where the two
    models do not have it under one name that is its alone.
    """
    before, after = float_model.graph, quantized.graph
    originals = _layers_by_name(before, {})
    editor = Editor(quantized.content)
    corrected = 0
    for name, operator in _layers_by_name(after, names_before_conversion(before, after)).items():
        original = originals.get(name)
        if original is None or original.type != operator.type or len(operator.inputs) < 3:
            continue
        bias = _bias(after, operator)
        weights = [
            graph.main.tensors[value.inputs[1]]
            for graph, value in ((before, original), (after, operator))
        ]
        if bias is None or any(weight.constant is None for weight in weights):
            continue
        if weights[0].shape != weights[1].shape:
            continue
        error = weights[1].real_values() - weights[0].real_values()
        shift = _mean_output(original, means[original.inputs[0]], error)
        assert bias.quantization is not None  # noqa: S101 - an integer bias has scales
        steps = np.round(shift / np.asarray(bias.quantization.scales))
        _replace(
            editor, bias, (bias.values().astype(np.float64) - steps).astype(bias.values().dtype)
        )
        corrected += 1
    return Model(editor.pack()), corrected


def _layers_by_name(graph: Graph, renamed: dict[int, str]) -> dict[str, Operator]:
    """Return the layers by their outputs' names, without those whose name is not theirs alone."""
    found: dict[str, list[Operator]] = {}
    for operator in graph.main.operators:
        if operator.type in _LAYERS:
            index = operator.outputs[0]
            name = renamed.get(index, graph.main.tensors[index].name)
            found.setdefault(name, []).append(operator)
    return {name: value for name, (value, *others) in found.items() if not others}


def names_before_conversion(before: Graph, after: Graph) -> dict[int, str]:
    """Return the float model's names of tensors that an output's type is converted from.

    Before a QUANTIZE or DEQUANTIZE at the edge, which takes the output's name, TensorFlow makes up
    another for the layer's output.
    """
    names = {}
    for original, index in zip(before.main.outputs, after.main.outputs, strict=True):
        producer = after.main.producers.get(index)
        if producer is not None and producer.type in CONVERSIONS:
            names[producer.inputs[0]] = before.main.tensors[original].name
    return names


def _bias(graph: Graph, operator: Operator) -> Tensor | None:
    index = operator.inputs[2]
    tensor = graph.main.tensors[index] if index >= 0 else None
    kept = tensor is not None and tensor.constant is not None and tensor.quantization is not None
    return tensor if kept else None


def _replace(editor: Editor, tensor: Tensor, values: np.ndarray) -> None:
    """Give a tensor other values, in a buffer of its own where several share one."""
    stored = editor.subgraphs[0].tensors[tensor.index]
    users = [user for subgraph in editor.subgraphs for user in subgraph.tensors
             if user.buffer == stored.buffer]  # fmt: skip
    if len(users) > 1:
        stored.buffer = editor.add_buffer(values)
    else:
        editor.tree.buffers[stored.buffer].data = np.frombuffer(values.tobytes(), np.uint8)


def _mean_output(operator: Operator, mean: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return a layer's mean output for each channel, without the bias, for inputs of this mean."""
    if operator.type == "FULLY_CONNECTED":
        rows = mean.reshape(-1, weights.shape[1])
        return np.asarray(rows.mean(axis=0) @ weights.T)
    options = operator.options
    height, width = (
        _reach(mean.shape[1 + at], weights.shape[1 + at], stride, dilation, options["padding"])
        for at, (stride, dilation) in enumerate(
            (
                (options["strideH"], options["dilationHFactor"]),
                (options["strideW"], options["dilationWFactor"]),
            )
        )
    )
    padded = np.pad(mean[0], (height[:2], width[:2], (0, 0)))
    total = np.zeros(weights.shape[-1 if operator.type == "DEPTHWISE_CONV_2D" else 0])
    for row, meets_rows in enumerate(height[2]):
        for column, meets_columns in enumerate(width[2]):
            seen = padded[meets_rows][:, meets_columns].mean(axis=(0, 1))
            if operator.type == "DEPTHWISE_CONV_2D":
                multiplier = weights.shape[-1] // len(seen)
                total += np.repeat(seen, multiplier) * weights[0, row, column]
            else:
                groups = len(seen) // weights.shape[-1]
                total += _grouped(seen, weights[:, row, column], groups)
    return total


def _grouped(seen: np.ndarray, weights: np.ndarray, groups: int) -> np.ndarray:
    """Multiply input channels with (output, input / groups) weights, group by group."""
    parts = zip(np.split(seen, groups), np.split(weights, groups), strict=True)
    return np.concatenate([value @ part.T for value, part in parts])


def _reach(
    size: int, kernel: int, stride: int, dilation: int, padding: int
) -> tuple[int, int, Sequence[slice]]:
    """Return the padding before and after, and for each kernel position what it meets.

    The rule is that of TensorFlow's SAME and VALID padding.
    """
    span = (kernel - 1) * dilation + 1
    outputs = -(-size // stride) if padding == _SAME else (size - span) // stride + 1
    missing = max((outputs - 1) * stride + span - size, 0)
    before = missing // 2
    length = (outputs - 1) * stride + 1
    meets = [slice(at * dilation, at * dilation + length, stride) for at in range(kernel)]
    return before, missing - before, meets
