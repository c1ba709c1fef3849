"""Choosing: from what was recorded of a tensor to the range it is quantized with."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from quantline.errors import ParameterError, suggest
from quantline.range_methods import METHODS, Bounds

if TYPE_CHECKING:
    from quantline import recipe
    from quantline.range_methods import ChosenMethod
    from quantline.ranges.range_set import RangeSet
    from quantline.ranges.sketch import TensorRange


def choose(ranges: RangeSet, chosen: recipe.Ranges) -> dict[int, Bounds]:
    """Choose the range of every tensor.

    What the specification fixes (the outputs of softmax, logistic, tanh and l2 normalization) a
    back end keeps fixed whatever is chosen here.

    Returns:
        (min, max) by tensor index, min <= max.

    Raises:
        DataError: NaN or infinite values were recorded.
        ParameterError: An override fits no tensor, a method needs a sketch that is empty, or the
            method is ``auto``, which needs samples too.
    """
    ranges.check_finite()
    if chosen.method not in METHODS:
        raise ParameterError(
            f"The method '{chosen.method}' does not choose from recorded ranges alone",
            found=f"'{chosen.method}'",
            expected=f"one of {', '.join(METHODS)}",
            remedy="Quantize with samples: 'auto' tries the others on them",
        )
    methods = dict.fromkeys((tensor.index for tensor in ranges.tensors), chosen.chosen_method())
    fixed: dict[int, Bounds] = {}
    for override in chosen.overrides:
        matches = [other for other in ranges.tensors if _fits(override.tensor, other.name)]
        if not matches:
            raise _no_match(override.tensor, ranges)
        for match in matches:
            methods[match.index] = chosen.chosen_method(override)
            fixed.pop(match.index, None)
            if override.min is not None and override.max is not None:
                fixed[match.index] = (override.min, override.max)
    return {
        tensor.index: fixed.get(tensor.index) or bounds(tensor, methods[tensor.index])
        for tensor in ranges.tensors
    }


def given(ranges: RangeSet, chosen: recipe.Ranges) -> frozenset[int]:
    """Return the tensors whose range an override gives, whatever was recorded."""
    found: set[int] = set()
    for override in chosen.overrides:
        fitting = {tensor.index for tensor in ranges.tensors if _fits(override.tensor, tensor.name)}
        found = found - fitting if override.min is None else found | fitting
    return frozenset(found)


def bounds(tensor: TensorRange, chosen: ChosenMethod) -> Bounds:
    """Choose one tensor's range."""
    method = METHODS[chosen.name]
    if not method.needs_sketch:
        return method.choose(tensor, **dict(chosen.values))
    if not tensor.sketch.total:
        raise ParameterError(
            f"The method '{method.name}' needs the distribution of tensor '{tensor.name}'",
            found="ranges without a sketch",
            expected="ranges recorded by 'quantline.ranges.record'",
            remedy="Record the ranges again, or use 'minmax'",
        )
    low, high = method.choose(tensor, **dict(chosen.values))
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
