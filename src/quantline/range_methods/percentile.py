"""The range of all but the outermost values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantline.range_methods._method import Method
from quantline.registry import Parameter

if TYPE_CHECKING:
    from quantline.range_methods._method import Bounds, Recorded


def quantiles(tensor: Recorded, percentile: float) -> Bounds:
    """Return the range without an equal share of values at each end.

    As in Wu et al., Integer Quantization for Deep Learning Inference (2020), section 5.2.

    Args:
        tensor: Its statistics, with a sketch that is not empty.
        percentile: The share of values below the range's upper end, in per cent; as many lie above
            its lower end.
    """
    share = percentile / 100
    return tensor.sketch.quantile(1 - share), tensor.sketch.quantile(share)


METHOD = Method(
    name="percentile",
    summary="all values except an equal share at each end",
    source="Wu et al. 2020, 5.2",
    choose=quantiles,
    parameters=(
        Parameter(
            "percentile",
            default=99.99,
            meaning="the share of values below a range's upper end, in per cent; as many lie above "
            "its lower end",
            above=50,
            at_most=100,
        ),
    ),
    candidates=({"percentile": 99.9}, {"percentile": 99.99}, {"percentile": 99.999}),
    order=30,
)
