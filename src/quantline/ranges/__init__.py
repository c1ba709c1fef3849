"""The ranges of a float model's activations: recorded, merged, compared and chosen."""

from quantline.ranges.cell_states import with_joined_ranges
from quantline.ranges.choose import choose
from quantline.ranges.convergence import Drift, drift
from quantline.ranges.in_subprocess import record_in_subprocess
from quantline.ranges.range_set import RangeSet
from quantline.ranges.record import record
from quantline.ranges.sample_adapter import Sample, SampleAdapter, Values
from quantline.ranges.sketch import TensorRange

__all__ = [
    "Drift", "RangeSet", "Sample", "SampleAdapter", "TensorRange", "Values", "choose", "drift",
    "record", "record_in_subprocess", "with_joined_ranges",
]  # fmt: skip
