"""Recording the range of every activation of a float model."""

from quantline.ranges.range_set import RangeSet, TensorRange
from quantline.ranges.record import record

__all__ = ["RangeSet", "TensorRange", "record"]
