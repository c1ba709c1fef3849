"""The mean of the samples' ranges."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantline.range_methods._method import Method

if TYPE_CHECKING:
    from quantline.range_methods._method import Bounds, Recorded


def moving_average(tensor: Recorded) -> Bounds:
    """Return the means of each sample's smallest and largest value.

    As in Jacob et al., Quantization and Training of Neural Networks for Efficient
    Integer-Arithmetic-Only Inference (2018), section 3.1, with equal weights.
    """
    return tensor.average_min, tensor.average_max


METHOD = Method(
    name="moving_average",
    summary="the mean of the samples' extremes",
    source="Jacob et al. 2018, 3.1, equal weights",
    choose=moving_average,
    needs_sketch=False,
    order=20,
)
