"""Operators that are mapped or not by their size, as far as compiled models tell.

The documentation says that some "might not be mapped, depending on size" and gives no sizes. The
bounds here are the largest sizes seen mapped and the smallest seen left on the CPU by
``edgetpu_compiler`` in published models and reports; between them the answer is ``unknown``.

The issues named below are those of github.com/google-coral/edgetpu.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from quantline.edgetpu.tensors import elements, extent
from quantline.edgetpu.vocabulary import Placement, Provenance, Reason, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantline.edgetpu.vocabulary import Constraint
    from quantline.tflite.graph import Operator, Tensor

# Elements: [1,22,22,144] was mapped from NHWC to NCHW, [1,28,28,144] and [1,44,44,144] were not.
TRANSPOSE_MAPPED = 69_696
TRANSPOSE_LEFT = 112_896

# Elements of the output: [1,1,1,128] was mapped to [1,33,33,128].
TILE_MAPPED = 139_392

# Side of the output, pixels. Mapped: bilinear 64 -> 128 (issue 31), and all nearest neighbour ones
# of a U-Net of 128 (issue 187). Left on the CPU: bilinear 256 -> 512 (issue 31), nearest neighbour
# 512 -> 1,024 (issue 597).
RESIZE_MAPPED = 128
BILINEAR_LEFT = 512
NEAREST_LEFT = 1024
# Enlargement, ratio of sides: 1 and 2 were mapped; bilinear, 513/33 and 33/1 were not.
ENLARGED_MAPPED = 2.0
BILINEAR_ENLARGED_LEFT = 513 / 33

# Values that a MEAN makes one of: a map of 64 x 128 was mapped, one of 256 x 128 left on the CPU
# (issue 461).
MEAN_MAPPED = 64 * 128
MEAN_LEFT = 256 * 128


def resize(left: int, enlarged_left: float = math.inf) -> Constraint:
    """Return the rule of a RESIZE operator.

    Enlargements between 1 and 2 are taken as mapped too: the published log of EfficientDet-Lite0,
    whose pyramid goes from 3 to 5 pixels, has all of its nearest neighbour operators mapped.

    Args:
        left: The smallest output side seen left on the CPU, pixels.
        enlarged_left: The smallest enlargement seen left on the CPU, ratio of sides.
    """

    def rule(operator: Operator, tensors: Sequence[Tensor], runtime_version: int) -> Reason | None:
        source = extent(tensors[operator.inputs[0]])[1:3]
        result = extent(tensors[operator.outputs[0]])[1:3]
        if len(source) != 2 or len(result) != 2:
            return _unseen("seen mapped: maps of height, width and channels")
        ratios = [new / old if old else 0.0 for old, new in zip(source, result, strict=True)]
        if max(result) >= left:
            return _left(f"{left} pixels a side were left on the CPU", Provenance.REPORTED)
        if max(ratios) >= enlarged_left:
            return _left(f"enlargements by {enlarged_left:.1f} and more were left on the CPU")
        if max(result) > RESIZE_MAPPED or min(ratios) < 1 or max(ratios) > ENLARGED_MAPPED:
            return _unseen(
                f"seen mapped: enlargements by 1 to 2 up to {RESIZE_MAPPED} pixels a side"
            )
        return None

    return rule


def transpose(operator: Operator, tensors: Sequence[Tensor], runtime_version: int) -> Reason | None:
    """Up to 69,696 elements seen mapped, from 112,896 on not, and none of five dimensions."""
    tensor = tensors[operator.inputs[0]]
    if len(tensor.shape) > 4:
        return _left("transpositions of five dimensions were left on the CPU")
    if elements(tensor) >= TRANSPOSE_LEFT:
        return _left(f"transpositions of {TRANSPOSE_LEFT:,} elements were left on the CPU")
    if elements(tensor) > TRANSPOSE_MAPPED:
        return _unseen(f"seen mapped: up to {TRANSPOSE_MAPPED:,} elements")
    return None


def tile(operator: Operator, tensors: Sequence[Tensor], runtime_version: int) -> Reason | None:
    """Not in the documented table; one pixel to a whole map was seen mapped."""
    source = extent(tensors[operator.inputs[0]])
    result = tensors[operator.outputs[0]]
    one_pixel = len(source) == 4 and source[:3] == (1, 1, 1) and extent(result)[-1] == source[-1]
    if not one_pixel or elements(result) > TILE_MAPPED:
        return _unseen(f"seen mapped: one pixel to a map of up to {TILE_MAPPED:,} elements")
    return None


def reduction(shape: Sequence[int], reduced: Sequence[int]) -> Reason | None:
    """The rule of a MEAN: up to 8,192 values of a shape become one along the reduced axes."""
    values = math.prod(shape[axis] for axis in set(reduced))
    if values >= MEAN_LEFT:
        return _left(f"means of {MEAN_LEFT:,} values were left on the CPU", Provenance.REPORTED)
    if values > MEAN_MAPPED:
        return _unseen(f"seen mapped: means of up to {MEAN_MAPPED:,} values", Provenance.REPORTED)
    return None


def _left(rule: str, provenance: Provenance = Provenance.PARSED) -> Reason:
    return Reason(Status.UNSPECIFIED, rule, provenance)


def _unseen(rule: str, provenance: Provenance = Provenance.PARSED) -> Reason:
    return Reason(Status.UNSEEN, rule, provenance, Placement.UNKNOWN)
