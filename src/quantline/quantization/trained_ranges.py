"""The ranges that a model was trained with: those of its simulated quantization."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quantline.quantization.shared_scale import Bounds
    from quantline.tflite import Graph, Tensor

_LIMITS = {"uint8": (0, 255), "int8": (-128, 127)}


def trained_ranges(graph: Graph) -> Bounds:
    """Return the ranges of activations that training fixed.

    TensorFlow's converter makes a QUANTIZE and a DEQUANTIZE of each operator that simulates
    quantization, such as ``FakeQuantWithMinMaxVars``. What one reads and the other writes has the
    scale and the zero point between them; another range would be quantized twice.
    """
    weights, found = _weights(graph), {}
    for real, stored in _simulated(graph):
        limits, quantization = _LIMITS.get(stored.dtype), stored.quantization
        if limits and quantization and real.index not in weights:
            scale, zero = float(quantization.scales[0]), int(quantization.zero_points[0])
            found[real.index] = ((limits[0] - zero) * scale, (limits[1] - zero) * scale)
    return found


def as_trained(graph: Graph, bounds: Bounds) -> Bounds:
    """Return chosen ranges with those of the training in place of others.

    Simulated weights have none: a range would replace the scales of their channels by one.
    """
    ranges = {**bounds, **trained_ranges(graph)}
    return {index: value for index, value in ranges.items() if index not in _weights(graph)}


def _weights(graph: Graph) -> set[int]:
    """Return the tensors that are weights with a simulated quantization, by index."""
    pairs = list(_simulated(graph))
    stored = {operator.index for real, operator in pairs if real.constant is not None}
    return {real.index for real, operator in pairs if operator.index in stored}


def _simulated(graph: Graph) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield pairs of a float tensor and its quantized form around each simulated quantization."""
    tensors = graph.main.tensors
    for operator in graph.main.operators:
        producer = graph.main.producers.get(operator.inputs[0]) if operator.inputs else None
        if operator.type == "DEQUANTIZE" and producer is not None and producer.type == "QUANTIZE":
            stored = tensors[operator.inputs[0]]
            yield tensors[producer.inputs[0]], stored
            yield tensors[operator.outputs[0]], stored
