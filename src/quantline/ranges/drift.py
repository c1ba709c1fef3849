"""The distance of one range set from another of the same model, tensor by tensor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quantline.errors import MismatchError

if TYPE_CHECKING:
    from quantline.ranges.range_set import RangeSet

_STEPS = 255


@dataclass(frozen=True)
class Drift:
    """The difference of one tensor's ranges.

    Attributes:
        index: The tensor's index.
        name: Its name.
        min_steps: By how much the lower end moved, in int8 steps of the first range; below 0 is
            outwards.
        max_steps: By how much the upper end moved; above 0 is outwards.
    """

    index: int
    name: str
    min_steps: float
    max_steps: float

    @property
    def worst(self) -> float:
        """The larger of both, without its sign."""
        return max(abs(self.min_steps), abs(self.max_steps))


def drift(first: RangeSet, second: RangeSet) -> tuple[Drift, ...]:
    """Compare two range sets of models of one architecture, the largest difference first.

    The models need not be the same: after a retraining the same tensors have other ranges. A range
    includes zero, as the specification demands, before its steps are counted.
    """
    names = [
        [(tensor.index, tensor.name) for tensor in ranges.tensors] for ranges in (first, second)
    ]
    if names[0] != names[1]:
        raise MismatchError(
            "The two range sets are not of the same tensors",
            found=f"{len(names[0])} and {len(names[1])} tensors, not of the same names",
            expected="ranges of one model, or of one architecture trained twice",
            remedy="Record both from models of the same architecture",
        )
    found = []
    for one, other in zip(first.tensors, second.tensors, strict=True):
        low, high = min(one.min, 0.0), max(one.max, 0.0)
        step = (high - low) / _STEPS or 1.0
        down, up = min(other.min, 0.0) - low, max(other.max, 0.0) - high
        found.append(Drift(one.index, one.name, down / step, up / step))
    return tuple(sorted(found, key=lambda difference: -difference.worst))
