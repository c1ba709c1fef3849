"""Nodes of the ``conversion`` stage."""

from __future__ import annotations

from typing import Any

from quantline import recipe
from quantline.quantization import quantize
from quantline.ranges import RangeSet


def convert(
    float_model: bytes, ranges: dict[str, Any], conversion: dict[str, Any]
) -> tuple[bytes, dict[str, Any]]:
    """Quantize the float model; return the int8 model and the recipe it was made with."""
    made = quantize(
        float_model, RangeSet.from_dict(ranges), recipe.check(recipe.Conversion, conversion)
    )
    return made.content, made.recipe
