"""What every activation of a float model was: recorded, merged, and a range chosen from it."""

from quantline.ranges.apart import record_apart
from quantline.ranges.choose import choose
from quantline.ranges.drift import Drift, drift
from quantline.ranges.feed import Feed, Sample, Values
from quantline.ranges.joined import joined
from quantline.ranges.range_set import RangeSet, TensorRange
from quantline.ranges.record import record

__all__ = [
    "Drift",
    "Feed",
    "RangeSet",
    "Sample",
    "TensorRange",
    "Values",
    "choose",
    "drift",
    "joined",
    "record",
    "record_apart",
]
