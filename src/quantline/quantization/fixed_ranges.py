"""Ranges that are fixed beforehand: pinned ones, as compiled into firmware, and trained ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from quantline.errors import ParameterError, PinDoesNotFit, suggest
from quantline.tflite import Model
from quantline.tflite.editor import Editor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from quantline import recipe
    from quantline.quantization.shared_scale import Bounds
    from quantline.tflite import Graph, Tensor


# Of int16, which is symmetric, quantizers leave the lowest number out.
_LIMITS = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-32767, 32767)}
# Both sides have one scale (TensorFlow Lite's specification). The first copy values, so that
# clipping their input clips the same ones. The others also average.
_PASSING = {"RESHAPE", "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE", "MAX_POOL_2D", "SLICE",
            "STRIDED_SLICE", "GATHER", "RESIZE_NEAREST_NEIGHBOR", "SPACE_TO_DEPTH",
            "DEPTH_TO_SPACE"}  # fmt: skip
_AVERAGING = {"AVERAGE_POOL_2D", "RESIZE_BILINEAR"}
_TOLERANCE = 1e-5


def pin(graph: Graph, bounds: Bounds, conversion: recipe.Conversion) -> Bounds:
    """Return the ranges that give pinned inputs and outputs their scale and zero point.

    A scale ``s`` and a zero point ``z`` hold the real values from ``s (qmin - z)`` to
    ``s (qmax - z)``; the range that is asked for is exactly that one.

    Raises:
        ParameterError: A pin names no input or output, or one that is not an integer.
        PinDoesNotFit: The chosen range does not fit into the pinned one.
    """
    pinned = dict(bounds)
    names = _names(graph)
    for name, wanted in conversion.pinned.items():
        index, kind = _place(name, names, graph, conversion)
        low, high = (wanted.scale * (limit - wanted.zero_point) for limit in _LIMITS[kind])
        tied, averaged = _same_scale(graph, index)
        for checked in sorted({index, *averaged}):
            _check_fit(name, graph.main.tensors[checked], bounds[checked], wanted, (low, high))
        pinned |= dict.fromkeys(tied, (low, high))
    return pinned


def pinned_tensors(graph: Graph, conversion: recipe.Conversion) -> frozenset[int]:
    """Return the tensors whose range pins fix: the pinned ones and those of one scale with them."""
    names = _names(graph)
    return frozenset().union(*(_same_scale(graph, names[name])[0] for name in conversion.pinned))


def _check_fit(
    name: str,
    tensor: Tensor,
    chosen: tuple[float, float],
    wanted: recipe.Pin,
    held: tuple[float, float],
) -> None:
    beyond = max(held[0] - chosen[0], chosen[1] - held[1])
    if beyond > wanted.scale / 2:
        raise PinDoesNotFit(
            f"The recorded range of '{name}' does not fit its pinned scale and zero point",
            found=f"values of tensor {tensor.index} '{tensor.name}' from {chosen[0]:.6g} to "
            f"{chosen[1]:.6g}, {beyond:.3g} ({beyond / wanted.scale:.1f} steps) beyond the pinned "
            "range",
            expected=f"values from {held[0]:.6g} to {held[1]:.6g}, which scale "
            f"{wanted.scale:.9g} and zero point {wanted.zero_point} can hold",
            remedy="Remove the pin and change the firmware's constants, or train the model to "
            "stay in this range",
        )


def snap_scales(quantized: Model, graph: Graph, conversion: recipe.Conversion) -> Model:
    """Restore the last bit of pinned scales that rounding has moved."""
    if not conversion.pinned:
        return quantized
    editor = Editor(quantized.content)
    stored_tensors = editor.subgraphs[0].tensors
    names = _names(graph)
    exact: dict[int, float] = {}
    for name, wanted in conversion.pinned.items():
        index, _ = _place(name, names, graph, conversion)
        tensor = _counterpart(graph, quantized.graph, index)
        exact[tensor.index] = wanted.scale
        found = tensor.quantization
        got = (found.scales[0], found.zero_points[0]) if found is not None else (0.0, 0)
        if got[1] != wanted.zero_point or abs(got[0] / wanted.scale - 1) > _TOLERANCE:
            raise PinDoesNotFit(
                f"The quantizer gives '{name}' another scale or zero point than is pinned",
                found=f"scale {got[0]:.9g}, zero point {got[1]}",
                expected=f"scale {wanted.scale:.9g}, zero point {wanted.zero_point}",
                remedy="Remove the pin: the specification fixes this tensor's scale, or an "
                "operator ties it to another's",
            )
        for stored_tensor in stored_tensors:
            stored = stored_tensor.quantization
            if (
                stored is not None
                and stored.scale is not None
                and len(stored.scale) == 1
                and float(stored.scale[0]) == got[0]
            ):
                stored.scale = np.asarray([wanted.scale], np.float32)
    for index, scale in exact.items():  # two pins may differ in the last bit alone
        stored_tensors[index].quantization.scale = np.asarray([scale], np.float32)
    return Model(editor.pack())


def _names(graph: Graph) -> dict[str, int]:
    """Return the inputs and outputs by name: the signature's names, else the tensors'."""
    main = graph.main
    named = {main.tensors[index].name: index for index in (*main.inputs, *main.outputs)}
    for signature in graph.signatures:
        named = {**named, **signature.inputs, **signature.outputs}
    return named


def _place(
    name: str, names: Mapping[str, int], graph: Graph, conversion: recipe.Conversion
) -> tuple[int, str]:
    if name not in names:
        raise ParameterError(
            f"'{name}' in `pinned` is no input or output of the model",
            found=f"'{name}'",
            expected=f"one of {', '.join(names)}",
            remedy=suggest(name, list(names)) or "Correct the name",
        )
    index = names[name]
    kind = conversion.input_type if index in graph.main.inputs else conversion.output_type
    if kind not in _LIMITS:
        raise ParameterError(
            f"'{name}' is pinned, but is not an integer",
            found=f"the type {kind}",
            expected=f"one of {', '.join(_LIMITS)}",
            remedy="Set `input_type` and `output_type` to an integer type",
        )
    if graph.main.tensors[index].dtype != "float32":
        raise ParameterError(
            f"'{name}' is pinned, but is no real number in the float model",
            found=f"the type {graph.main.tensors[index].dtype}",
            expected="a float32 input or output, which quantization gives a scale",
            remedy=f"Remove '{name}' from `pinned`",
        )
    low, high = _LIMITS[kind] if kind != "int16" else (0, 0)
    if not low <= conversion.pinned[name].zero_point <= high:
        raise ParameterError(
            f"The pinned zero point of '{name}' is out of range for the type {kind}",
            found=f"{conversion.pinned[name].zero_point}",
            expected="0, as int16 is symmetric" if low == high else f"from {low} to {high}",
            remedy=f"Correct the zero point, or the type that '{name}' has",
        )
    return index, kind


def _counterpart(graph: Graph, quantized: Graph, index: int) -> Tensor:
    """Return the quantized model's tensor at the same place among inputs or outputs."""
    for before, after in ((graph.main.inputs, quantized.main.inputs),
                          (graph.main.outputs, quantized.main.outputs)):  # fmt: skip
        if index in before:
            return quantized.main.tensors[after[before.index(index)]]
    raise AssertionError("a pinned tensor is an input or an output")


def _same_scale(graph: Graph, index: int) -> tuple[set[int], set[int]]:
    """Return the tensors that have one scale with this one, and those of them that are averaged."""
    found, averaged = {index}, set()
    passing = [
        operator for operator in graph.main.operators if operator.type in _PASSING | _AVERAGING
    ]
    for operator in passing:
        if operator.inputs[0] in found:
            found.add(operator.outputs[0])
    for operator in reversed(passing):
        if operator.outputs[0] in found:
            found.add(operator.inputs[0])
            if operator.type in _AVERAGING:
                averaged.add(operator.inputs[0])
    return found, averaged


_TRAINED_LIMITS = {"uint8": (0, 255), "int8": (-128, 127)}


def trained_ranges(graph: Graph) -> Bounds:
    """Return the ranges of activations that training fixed.

    TensorFlow's converter makes a QUANTIZE and a DEQUANTIZE of each operator that simulates
    quantization, such as ``FakeQuantWithMinMaxVars``. What one reads and the other writes has the
    scale and the zero point between them; another range would be quantized twice.
    """
    weights, found = _weights(graph), {}
    for real, stored in _simulated(graph):
        limits, quantization = _TRAINED_LIMITS.get(stored.dtype), stored.quantization
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
