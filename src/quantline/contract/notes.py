"""Notes: facts about a model that break nothing, as far as the file alone shows them.

A file holds constants, scales and zero points, but no activations: whether an activation's range
was well chosen is seen only where its operator limits what values it can have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from ai_edge_litert.schema_py_generated import ActivationFunctionType as Fused

from quantline.contract.conformance import CONTROL_FLOW
from quantline.contract.rules import Site, broken
from quantline.contract.specification import SPECIFICATION
from quantline.errors import first_few
from quantline.tflite.graph import Subgraph, Tensor, is_integer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quantline.contract.finding import Finding

_QUANTIZED = ("int8", "int16")
_STEPS = 16
# TensorFlow's quantizer widens a range below 1e-6 on both sides, to 2e-6 at most.
_EMPTY_RANGE = 2.01e-6
# With fewer values for a scale, the largest of them alone are a large part.
_MANY = 8
_REACHED = {
    Fused.RELU: (0.0, np.inf), Fused.RELU6: (0.0, 6.0), Fused.RELU_N1_TO_1: (-1.0, 1.0),
}  # fmt: skip
_JOINED = ("ADD", "SUB", "CONCATENATION", "PACK", "MAXIMUM", "MINIMUM")
# They pass a tensor on unchanged.
_CARRIERS = CONTROL_FLOW | {"DEQUANTIZE", "READ_VARIABLE", "ASSIGN_VARIABLE"}


def find_notes(subgraph: Subgraph) -> Iterator[Finding]:
    """Find the notes on a subgraph; those on a constant once, whichever operators read it."""
    for tensor in subgraph.tensors:
        yield from _check_tensor(subgraph, tensor)
    read: set[int] = set()
    for operator in subgraph.operators:
        site = Site(subgraph, operator)
        yield from _check_specified(site)
        yield from _check_fused(site)
        if operator.type in _JOINED:
            yield from _check_joined(site)
        for tensor in subgraph.tensors_at(operator.inputs):
            if tensor.index not in read and _is_dense(tensor):
                read.add(tensor.index)
                yield from _check_constant(site, tensor)


def _check_tensor(subgraph: Subgraph, tensor: Tensor) -> Iterator[Finding]:
    if tensor.is_sparse:
        yield broken("tensor.sparse", subgraph, None, tensor, f"a sparse {tensor.dtype} tensor")
    quantization = tensor.quantization
    if tensor.constant is None and tensor.dtype in _QUANTIZED and quantization is not None:
        limits = np.iinfo(tensor.dtype)
        width = quantization.scales[0] * (float(limits.max) - limits.min)
        if 0 < width <= _EMPTY_RANGE:
            found = f"a range {width:.2g} wide: nothing but zeros was recorded"
            yield broken("activation.no_range", subgraph, None, tensor, found)


def _check_specified(site: Site) -> Iterator[Finding]:
    operator = site.operator
    if operator.is_custom or operator.type in SPECIFICATION or operator.type in _CARRIERS:
        return
    if operator.type.startswith("UNKNOWN_"):
        return  # integer.unknown says so
    tensors = site.subgraph.tensors_at((*operator.outputs, *operator.inputs))
    quantized = [tensor for tensor in tensors if tensor.quantization and tensor.dtype in _QUANTIZED]
    # Floats have findings of their own.
    if quantized and all(is_integer(tensor.dtype) for tensor in tensors):
        found = f"a quantized {operator.type}, which the table does not judge"
        yield site.broken("operator.unspecified", quantized[0], found)


def _check_fused(site: Site) -> Iterator[Finding]:
    reached = _REACHED.get(site.operator.options.get("fusedActivationFunction", Fused.NONE))
    if reached is None or not site.operator.outputs:
        return
    tensor = site.subgraph.tensors[site.operator.outputs[0]]
    if tensor.dtype != "int8" or tensor.quantization is None:
        return  # int16 activations are symmetric, and so lose half below zero by design
    scale, point = tensor.quantization.scales[0], tensor.quantization.zero_points[0]
    if not scale > 0:
        return  # the specification's rules find it
    low, high = scale * (-128 - point), scale * (127 - point)
    share = (min(high, reached[1]) - max(low, reached[0])) / (high - low)
    if share < 0.25:
        found = f"a range of [{low:.4g}, {high:.4g}], of which {max(share, 0):.0%} can be reached"
        yield site.broken("activation.unused_range", tensor, found)


def _check_joined(site: Site) -> Iterator[Finding]:
    subgraph = site.subgraph
    output = subgraph.tensors[site.operator.outputs[0]]
    if output.dtype != "int8" or output.quantization is None or not output.quantization.scales[0]:
        return
    for source in subgraph.tensors_at(site.operator.inputs):
        producer = subgraph.producers.get(source.index)
        if producer is not None and producer.type == "QUANTIZE":
            tensor = subgraph.tensors[producer.inputs[0]]  # the range it had by itself
        else:
            tensor = source
        if tensor.constant is not None or tensor.dtype != "int8" or tensor.quantization is None:
            continue
        steps = 255 * tensor.quantization.scales[0] / output.quantization.scales[0]
        if steps < _STEPS:
            found = f"an input that fills {steps:.2g} steps of the output's 256"
            yield site.broken("scales.apart", tensor, found)


def _check_constant(site: Site, tensor: Tensor) -> Iterator[Finding]:
    values = tensor.values()
    if tensor.dtype == "int32":
        limits = np.iinfo(np.int32)
        if values.max() == limits.max or values.min() == limits.min:
            found = "a bias that stands at int32's end: its scale is too small for it"
            yield site.broken("bias.saturated", tensor, found)
        return
    specification = SPECIFICATION.get(site.operator.type)
    position = site.operator.inputs.index(tensor.index)
    places = specification.inputs if specification else ()
    spec = places[min(position, len(places) - 1)] if places else None
    axis = (spec.axis if spec else None) or 0
    if spec is not None and spec.role == "weights" and axis < values.ndim:
        yield from _check_channels(site, tensor, values, axis)
    scales = len(tensor.quantization.scales) if tensor.quantization else 1
    at_ends = np.count_nonzero((values <= -127) | (values == 127))
    # A constant of one or two values stands at the ends by the choice of its scale.
    is_many = values.size >= _MANY * scales and at_ends > values.size / 2
    if is_many and np.unique(values).size > 2:
        found = f"{at_ends} of {values.size} values at the ends of the range"
        yield site.broken("constant.saturated", tensor, found)


def _check_channels(site: Site, tensor: Tensor, values: np.ndarray, axis: int) -> Iterator[Finding]:
    others = tuple(index for index in range(values.ndim) if index != axis)
    # Not of the absolute values: int8 has no 128.
    largest = np.maximum(values.max(others).astype(int), -values.min(others).astype(int))
    for rule, found, selected in (
        ("weights.dead_channel", "all weights are 0", largest == 0),
        ("weights.unused_range", f"no weight reaches {_STEPS}", (largest > 0) & (largest < _STEPS)),
    ):
        channels = np.flatnonzero(selected).tolist()
        if channels:
            where = f"{len(channels)} of {len(largest)} channels: {first_few(channels, 5)}"
            yield site.broken(rule, tensor, f"{found} in {where}")


def _is_dense(tensor: Tensor) -> bool:
    """Return whether it is a quantized constant that can be read."""
    if tensor.constant is None or tensor.is_sparse or tensor.quantization is None:
        return False
    return tensor.dtype in ("int8", "int32") and tensor.constant.size > 0
