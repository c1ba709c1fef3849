"""The range of all values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantline.range_methods._method import Method

if TYPE_CHECKING:
    from quantline.range_methods._method import Bounds, Recorded


def minmax(tensor: Recorded) -> Bounds:
    """Return the smallest and the largest value recorded."""
    return tensor.min, tensor.max


METHOD = Method(
    name="minmax",
    summary="all values seen; equal to the stock converter's except "
    "[as described below](#where-minmax-is-not-the-stock-converter)",
    source="TensorFlow Lite",
    choose=minmax,
    needs_sketch=False,
    order=10,
)
