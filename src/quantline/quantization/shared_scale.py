"""Ranges of tensors that must share a scale, widened so that no value in use is clipped.

An operator that moves or compares integers as they are (a pooling, a reshaping, a concatenation)
has one scale on both sides. Of a convolution and an AVERAGE_POOL_2D before a CONCATENATION
TensorFlow's quantizer takes the concatenation's range for all, and averaging had made that
narrower: values of the convolution beyond it are clipped before they are averaged. Such tensors get
the union of their ranges here, and the model is made once more; so do the two sides of an operator
to which the quantizer gave two scales, as it does to a REVERSE_V2 before a CONCATENATION: the
kernel copies the integers, and they would be read with the other scale. Where all that reads the
clipped values picks some of them, as a MAXIMUM does, those beyond the range of its result are
never used, and stay clipped.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from quantline.quantization.bias_correction import names_before_conversion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quantline.tflite import Graph, Tensor

# The specification's operators of one scale (contract/specification.py; a test compares the two).
SAME_SCALE = frozenset({
    "AVERAGE_POOL_2D", "BATCH_TO_SPACE_ND", "BROADCAST_TO", "CONCATENATION", "DEPTH_TO_SPACE",
    "EXPAND_DIMS", "GATHER", "GATHER_ND", "MAXIMUM", "MAX_POOL_2D", "MINIMUM", "MIRROR_PAD",
    "ONE_HOT", "PACK", "PAD", "PADV2", "REDUCE_MAX", "REDUCE_MIN", "RESHAPE", "RESIZE_BILINEAR",
    "RESIZE_NEAREST_NEIGHBOR", "REVERSE_SEQUENCE", "REVERSE_V2", "SCATTER_ND", "SELECT",
    "SELECT_V2", "SLICE", "SPACE_TO_BATCH_ND", "SPACE_TO_DEPTH", "SPLIT", "SPLIT_V", "SQUEEZE",
    "STRIDED_SLICE", "TILE", "TOPK_V2", "TRANSPOSE", "UNPACK",
})  # fmt: skip
_AVERAGING = {"AVERAGE_POOL_2D", "RESIZE_BILINEAR"}
# Their output's scale is the specification's, whatever the range.
_FIXED = {"SOFTMAX", "LOG_SOFTMAX", "LOGISTIC", "TANH", "L2_NORMALIZATION"}
_LIMITS = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767)}
# Zero is moved onto a step, which moves both ends by up to half of one.
_ROUNDING_STEPS = 1.001

Bounds = dict[int, tuple[float, float]]
"""The range of each tensor, (min, max), by its index in the float model's main subgraph."""


@dataclass(frozen=True)
class Choice:
    """One choice of ranges to quantize with.

    Attributes:
        bounds: (min, max) by tensor index.
        given: Tensors with a fixed range, which is never widened.
        widens: True if tensors of one scale get the union of their ranges where that of some is
            clipped; else the quantizer's own choice stands.
    """

    bounds: Bounds = field(default_factory=dict)
    given: frozenset[int] = frozenset()
    widens: bool = True


@dataclass(frozen=True)
class Clipped:
    """A tensor whose scale does not reach its range.

    Attributes:
        index: Its number in the float model.
        name: Its name.
        range: Its (min, max); measured.
        reach: The (min, max) that its integers stand for; parsed.
        steps: By how many steps of its scale the range is beyond, at the worse end.
        is_used: True if the values beyond enter a result: they are averaged or computed with, or
            the tensor is an output. Otherwise operators of one scale never pick them.
    """

    index: int
    name: str
    range: tuple[float, float]
    reach: tuple[float, float]
    steps: float
    is_used: bool


def find_clipped(
    before: Graph, after: Graph, bounds: Bounds, given: frozenset[int]
) -> list[Clipped]:
    """Return the tensors whose scale in the quantized model does not reach their range.

    Those whose scale the specification fixes are not among them; nor are tensors that the
    quantized model does not have under the same name.
    """
    fixed = {index for operator in before.main.operators if operator.type in _FIXED
             for index in operator.outputs}  # fmt: skip
    found = []
    for index, tensor in counterparts(before, after).items():
        if index not in bounds or index in given or index in fixed:
            continue
        reach, step = _reach(tensor)
        low, high = bounds[index]
        steps = max(reach[0] - low, high - reach[1]) / step
        if steps > _ROUNDING_STEPS:
            name = before.main.tensors[index].name
            readers = {reader.type for reader in before.main.operators if index in reader.inputs}
            is_used = index in before.main.outputs or not readers <= SAME_SCALE - _AVERAGING
            found.append(Clipped(index, name, (low, high), reach, steps, is_used))
    return found


def widen_ranges(before: Graph, after: Graph, choice: Choice) -> Bounds:
    """Return ranges of which tensors of one scale have the union, where one is clipped or misread.

    Returns:
        The choice's own ranges where nothing is clipped or misread.
    """
    bounds = dict(choice.bounds)
    known = counterparts(before, after)
    scales = {index: tensor.quantization for index, tensor in known.items()}
    found = find_clipped(before, after, choice.bounds, choice.given)
    groups = [_group(before, tensor.index, scales) for tensor in found if tensor.is_used]
    groups += [
        set().union(*(_group(before, index, scales) for index in sides))
        for sides in _misread(after, {tensor.index: index for index, tensor in known.items()})
    ]
    for group in groups:
        if group & choice.given or not group <= choice.bounds.keys():
            continue
        union = (
            min(choice.bounds[index][0] for index in group),
            max(choice.bounds[index][1] for index in group),
        )
        bounds |= dict.fromkeys(group, union)
    return bounds


def counterparts(before: Graph, after: Graph) -> dict[int, Tensor]:
    """Return the float model's activations in the quantized one, by index in the float model."""
    renamed = names_before_conversion(before, after)
    names = Counter(tensor.name for tensor in before.main.tensors)
    by_name = {tensor.name: tensor for tensor in after.main.tensors}
    by_name |= {name: after.main.tensors[index] for index, name in renamed.items()}
    activations = (tensor for tensor in before.main.tensors
                   if tensor.constant is None and tensor.dtype == "float32")  # fmt: skip
    pairs = (
        (activation.index, by_name.get(activation.name))
        for activation in activations
        if names[activation.name] == 1
    )
    return {
        index: tensor
        for index, tensor in pairs
        if tensor is not None
        and tensor.dtype in _LIMITS
        and tensor.quantization is not None
        and len(tensor.quantization.scales) == 1
    }


def _reach(tensor: Tensor) -> tuple[tuple[float, float], float]:
    assert tensor.quantization is not None  # noqa: S101 - as 'counterparts' gives them
    (step,), (zero,) = tensor.quantization.scales, tensor.quantization.zero_points
    low, high = (step * (limit - zero) for limit in _LIMITS[tensor.dtype])
    return (low, high), step


def _misread(after: Graph, sources: Mapping[int, int]) -> list[set[int]]:
    """Return the sides of operators of one scale that have several, by index in the float model."""
    tensors = after.main.tensors
    found = []
    for operator in after.main.operators:
        if operator.type in SAME_SCALE:
            sides = {index for index in (*operator.inputs, *operator.outputs) if index in sources}
            if len({tensors[index].quantization for index in sides}) > 1:
                found.append({sources[index] for index in sides})
    return found


def _group(graph: Graph, index: int, scales: Mapping[int, object]) -> set[int]:
    """Return the tensors that have one scale with this one, over operators that demand it."""
    found, new = {index}, [index]
    for member in new:  # grows while it is walked
        for operator in graph.main.operators:
            ports = {*operator.inputs, *operator.outputs}
            if operator.type in SAME_SCALE and member in ports:
                joined = {port for port in ports - found
                          if port in scales and scales[port] == scales[index]}  # fmt: skip
                found |= joined
                new += sorted(joined)
    return found
