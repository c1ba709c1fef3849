"""One range for two tensors, where what a model gives is what it takes the next time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quantline.ranges.range_set import RangeSet


def joined(ranges: RangeSet, pairs: Mapping[int, int]) -> RangeSet:
    """Return ranges with one and the same for both tensors of each pair.

    With one range the two have one scale, and a caller can hand integers on as they are.

    Args:
        ranges: What was recorded.
        pairs: One tensor's index by the other's; a pair of which one was not recorded stays.
    """
    found = {tensor.index: tensor for tensor in ranges.tensors}
    for one, other in pairs.items():
        if one != other and one in found and other in found:
            first, second = found[one], found[other]
            found[one], found[other] = first.merge(second), second.merge(first)
    return replace(ranges, tensors=tuple(found[tensor.index] for tensor in ranges.tensors))
