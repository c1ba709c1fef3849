"""Choosing: from what was recorded of a tensor to the range it is quantized with."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from quantline.errors import ParameterError, suggest
from quantline.ranges.entropy import entropy
from quantline.ranges.mse import mse

if TYPE_CHECKING:
    from quantline import recipe
    from quantline.ranges.range_set import RangeSet, TensorRange

Bounds = tuple[float, float]


def choose(ranges: RangeSet, chosen: recipe.Ranges) -> dict[int, Bounds]:
    """Choose the range of every tensor.

    What the specification fixes (the outputs of softmax, logistic, tanh and l2 normalization) a
    back end keeps fixed whatever is chosen here.

    Args:
        ranges: What was recorded.
        chosen: The method, and overrides of single tensors, of which the last that fits holds.

    Returns:
        (min, max) by tensor index, min <= max.

    Raises:
        DataError: NaN or infinite values were recorded.
        ParameterError: An override fits no tensor, or a method needs a sketch that is empty.
    """
    ranges.check_finite()
    rules = {tensor.index: (chosen.method, chosen.percentile) for tensor in ranges.tensors}
    fixed: dict[int, Bounds] = {}
    for override in chosen.overrides:
        matches = [other for other in ranges.tensors if _fits(override.tensor, other.name)]
        if not matches:
            raise _no_match(override.tensor, ranges)
        for match in matches:
            rules[match.index] = (
                override.method or chosen.method,
                override.percentile or chosen.percentile,
            )
            fixed.pop(match.index, None)
            if override.min is not None and override.max is not None:
                fixed[match.index] = (override.min, override.max)
    return {
        tensor.index: fixed.get(tensor.index) or bounds(tensor, *rules[tensor.index])
        for tensor in ranges.tensors
    }


def given(ranges: RangeSet, chosen: recipe.Ranges) -> frozenset[int]:
    """Return the tensors whose range an override gives, whatever was recorded."""
    found: set[int] = set()
    for override in chosen.overrides:
        fitting = {tensor.index for tensor in ranges.tensors if _fits(override.tensor, tensor.name)}
        found = found - fitting if override.min is None else found | fitting
    return frozenset(found)


def bounds(tensor: TensorRange, method: str, percentile: float = 99.99) -> Bounds:
    """Choose one tensor's range.

    Args:
        tensor: What was recorded of it.
        method: ``minmax``: all values seen. ``moving_average``: the mean of the samples' extremes,
            as in Jacob et al., Quantization and Training of Neural Networks for Efficient
            Integer-Arithmetic-Only Inference (2018), section 3.1, with equal weights.
            ``percentile``: all but an equal share of values at each end, as in Wu et al., Integer
            Quantization for Deep Learning Inference (2020), section 5.2. ``mse``, ``entropy``: see
            :func:`quantline.ranges.mse.mse` and :func:`quantline.ranges.entropy.entropy`.
        percentile: For ``percentile``, the share of values below the range's upper end, in per
            cent; as many lie above its lower end.

    Raises:
        ParameterError: The method needs a sketch, and none was recorded.
    """
    if method == "minmax":
        return tensor.min, tensor.max
    if method == "moving_average":
        return tensor.average_min, tensor.average_max
    if not tensor.sketch.total:
        raise ParameterError(
            f"The method '{method}' needs the distribution of tensor '{tensor.name}'",
            found="ranges without a sketch",
            expected="ranges recorded by 'quantline.ranges.record'",
            remedy="Record the ranges again, or use 'minmax'",
        )
    if method == "percentile":
        share = percentile / 100
        low, high = tensor.sketch.quantile(1 - share), tensor.sketch.quantile(share)
    elif method == "mse":
        low, high = mse(tensor)
    else:
        low, high = entropy(tensor)
    # A bin reaches a little past the largest value in it.
    return max(low, tensor.min), min(high, tensor.max)


def _fits(pattern: str, name: str) -> bool:
    return pattern == name or re.fullmatch(pattern, name) is not None


def _no_match(pattern: str, ranges: RangeSet) -> ParameterError:
    names = [tensor.name for tensor in ranges.tensors]
    return ParameterError(
        f"The override '{pattern}' fits no tensor",
        found=f"{len(names)} recorded tensors with other names",
        expected="a tensor's name, or a regular expression that fits the whole of it",
        remedy=suggest(pattern, names) or "'quantline ranges FILE' lists the names",
    )
