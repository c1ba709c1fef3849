"""The limits of single operators: a function each, whose docstring begins with the limitation.

Reports print that first line of operators that are mapped, and docs/edgetpu.md lists it. A function
returns the reason why an operator is not, or may not be, mapped. It may rely on what
:mod:`quantline.edgetpu.mapping.requirements` checks before: 8-bit activations of known shape with
at most three dimensions above 1, and constant parameters.

Source: https://coral.ai/docs/edgetpu/models-intro/#supported-operations. It says that operators
"might not be mapped, depending on size" and gives no sizes. The sizes here are the largest seen
mapped and the smallest seen left on the CPU by ``edgetpu_compiler`` in published models and
reports; between them the answer is ``unknown``. Issues: github.com/google-coral/edgetpu.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from quantline.edgetpu.vocabulary import (
    INTEGER_8,
    Placement,
    Provenance,
    Reason,
    Status,
    axes,
    extent,
    integers,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quantline.edgetpu.mapping.operators import Site
    from quantline.tflite.graph import Tensor

    Limit = Callable[[Site], Reason | None]

LIMITS: dict[str, Limit] = {}
"""The limit of an operator by its type, where it has one."""
_NARROW_RUNTIME = 12  # up to which the table states narrower limits for some operators


def limits(*types: str) -> Callable[[Limit], Limit]:
    """Return a decorator that makes a function the limit of operators of these types."""
    return lambda limit: LIMITS.update(dict.fromkeys(types, limit)) or limit


def limitation(kind: str) -> str:
    """Return the limitation of an operator type in words, as its limit's docstring has it."""
    first = (LIMITS[kind].__doc__ or "").partition("\n")[0].rstrip(".")
    return f"{first[:1].lower()}{first[1:]}"


@limits("AVERAGE_POOL_2D", "MAX_POOL_2D")
def no_fused_activation(site: Site) -> Reason | None:
    """No fused activation function."""
    fused = site.operator.options.get("fusedActivationFunction", 0)
    return _left("no fused activation function") if fused else None


@limits("CONCATENATION")
def concatenation(site: Site) -> Reason | None:
    """No fused activation; a constant only as zero padding."""
    inputs = [site.tensors[index] for index in site.operator.inputs]
    constants = [tensor for tensor in inputs if tensor.constant is not None]
    if constants and not (len(inputs) == 2 and all(map(_is_zero, constants))):
        return _left("a constant input must be all zeros, and one of exactly two inputs")
    return no_fused_activation(site)


@limits("CONV_2D", "DEPTHWISE_CONV_2D")
def same_dilation(site: Site) -> Reason | None:
    """Same dilation in x and y.

    Along a dimension of one tap nothing is dilated: a compiled network over time, of kernels of 3x1
    dilated by 2x1 and 4x1, has them mapped. The table once excluded dilated DEPTHWISE_CONV_2D below
    runtime 13; a compiled DeepLab v3 that asks for runtime 12 has it mapped.
    """
    weights = site.input(1)
    taps = extent(weights)[1:3] if weights is not None else ()
    down, across = (site.operator.options.get(f"dilation{side}Factor", 1) for side in "HW")
    return _left("the same dilation in x and y") if down != across and 1 not in taps else None


@limits("FULLY_CONNECTED")
def fully_connected(site: Site) -> Reason | None:
    """Default weights format, one-dimensional output."""
    if site.operator.options.get("weightsFormat", 0):
        return _left("the default format of weights only")
    return None if _is_vector(site.result) else _left("a one-dimensional output")


@limits("SOFTMAX")
def softmax(site: Site) -> Reason | None:
    """At most 16,000 elements along the innermost dimension.

    16,384 were seen mapped. The table also asks for a one-dimensional input, and compiler 2.0
    refused others (issue 27). Compiler 16.0 maps them: published logs of YOLO v8 and v9 with their
    boxes' distributions, 16 values in each of 4 sides of each box.
    """
    rule = "at most 16,000 elements along the innermost dimension (16,384 seen mapped)"
    return _left(rule) if extent(site.source)[-1:] > (16_384,) else None


# Values that a MEAN makes one of: a map of 64 x 128 was mapped, one of 256 x 128 left on the CPU
# (issue 461).
_MEAN_MAPPED, _MEAN_LEFT = 64 * 128, 256 * 128


@limits("MEAN")
def mean(site: Site) -> Reason | None:
    """No reduction in batch; in z only where z is a multiple of 4.

    Up to runtime 12, in x and y only; nor of too many values.
    """
    shape = extent(site.source)
    rank = len(shape)
    reduced = site.axes(1)
    if site.runtime_version <= _NARROW_RUNTIME and not set(reduced) <= {rank - 3, rank - 2}:
        return _left("a reduction in x and y only, up to runtime 12")
    if rank - 1 in reduced and shape[-1] % 4:
        return _left("a reduction in z only where z is a multiple of 4")
    if reason := not_batch(site):
        return reason
    values = math.prod(shape[axis] for axis in set(reduced))
    if values >= _MEAN_LEFT:
        return _left(f"means of {_MEAN_LEFT:,} values were left on the CPU", Provenance.REPORTED)
    if values > _MEAN_MAPPED:
        return _unseen(f"means of up to {_MEAN_MAPPED:,} values", Provenance.REPORTED)
    return None


@limits("REDUCE_MAX", "REDUCE_MIN", "SUM")
def not_batch(site: Site) -> Reason | None:
    """Not in the batch dimension."""
    return _batch(len(site.source.shape), site.axes(1), "reduction")


@limits("PACK")
def pack(site: Site) -> Reason | None:
    """Not in the batch dimension."""
    rank = len(site.result.shape)
    return _batch(rank, (site.operator.options.get("axis", 0) % max(rank, 1),), "packing")


@limits("SPLIT")
def split(site: Site) -> Reason | None:
    """Not in the batch dimension.

    Its axis is the first input. With a single output there is nothing to split: a compiled YAMNet
    has such a one mapped.
    """
    if len(site.operator.outputs) == 1:
        return None
    rank = len(site.tensors[site.operator.inputs[1]].shape)
    return _batch(rank, axes(site.input(0), rank), "splitting", Provenance.MEMORY)


@limits("PAD")
def pad(site: Site) -> Reason | None:
    """Not in the batch dimension.

    Up to runtime 12 the table names x and y only. A compiled face detector that asks for runtime 12
    has eleven paddings of channels mapped, as products with identity matrices, which its parameters
    hold; so nothing in them depends on the runtime.
    """
    amounts = integers(site.input(1)) or ()
    rank = len(amounts) // 2
    padded = [axis for axis in range(rank) if any(amounts[2 * axis : 2 * axis + 2])]
    return _batch(rank, padded, "padding")


@limits("PRELU")
def prelu(site: Site) -> Reason | None:
    """One-dimensional alpha."""
    alpha = site.input(1)
    fits = alpha is None or _is_vector(alpha)
    return None if fits else _left("a one-dimensional alpha (in Keras, shared_axes=[1, 2])")


@limits("QUANTIZE")
def quantize(site: Site) -> Reason | None:
    """From 8 bits to 8 bits.

    In compiled files, none from float32 was ever mapped.
    """
    left = _left("a float input is quantized on the CPU", Provenance.PARSED)
    return None if site.source.dtype in INTEGER_8 else left


@limits("SQUEEZE")
def squeeze(site: Site) -> Reason | None:
    """No limitation.

    Up to runtime 12, only where dimensions of 1 come before all others.
    """
    above = [size > 1 for size in extent(site.source)]
    narrow = site.runtime_version <= _NARROW_RUNTIME and above != sorted(above)
    return _left("only leading dimensions of 1, up to runtime 12") if narrow else None


@limits("STRIDED_SLICE")
def strided_slice(site: Site) -> Reason | None:
    """All strides 1, no ellipsis, no new axis."""
    if set(integers(site.input(3)) or ()) - {1}:
        return Reason(Status.STRIDES, "all strides equal to 1", Provenance.DOCUMENTED)
    options = site.operator.options
    if options.get("ellipsisMask", 0) or options.get("newAxisMask", 0):
        return _left("ellipsis_mask and new_axis_mask equal to 0")
    return None


# Side of the output, pixels. Mapped: bilinear 64 -> 128 (issue 31), and all nearest neighbour ones
# of a U-Net of 128 (issue 187). Left on the CPU: bilinear 256 -> 512 (issue 31), nearest neighbour
# 512 -> 1,024 (issue 597).
_RESIZE_MAPPED = 128
_RESIZE_LEFT = {"RESIZE_BILINEAR": 512, "RESIZE_NEAREST_NEIGHBOR": 1024}
# Enlargement, ratio of sides: 1 and 2 were mapped; bilinear, 513/33 and 33/1 were not.
_ENLARGED_MAPPED = 2.0
_ENLARGED_LEFT = {"RESIZE_BILINEAR": 513 / 33}


@limits("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR")
def resize(site: Site) -> Reason | None:
    """Mapped depending on size.

    Enlargements between 1 and 2 are taken as mapped too: the published log of EfficientDet-Lite0,
    whose pyramid goes from 3 to 5 pixels, has all of its nearest neighbour operators mapped.
    """
    source, result = extent(site.source)[1:3], extent(site.result)[1:3]
    if len(source) != 2 or len(result) != 2:
        return _unseen("maps of height, width and channels")
    left = _RESIZE_LEFT[site.operator.type]
    enlarged_left = _ENLARGED_LEFT.get(site.operator.type, math.inf)
    ratios = [new / old if old else 0.0 for old, new in zip(source, result, strict=True)]
    if max(result) >= left:
        return _left(f"{left} pixels a side were left on the CPU", Provenance.REPORTED)
    if max(ratios) >= enlarged_left:
        of = f"enlargements by {enlarged_left:.1f} and more"
        return _left(f"{of} were left on the CPU", Provenance.PARSED)
    if max(result) > _RESIZE_MAPPED or min(ratios) < 1 or max(ratios) > _ENLARGED_MAPPED:
        return _unseen(f"enlargements by 1 to 2 up to {_RESIZE_MAPPED} pixels a side")
    return None


# Elements: [1,22,22,144] was mapped from NHWC to NCHW, [1,28,28,144] and [1,44,44,144] were not.
_TRANSPOSE_MAPPED, _TRANSPOSE_LEFT = 69_696, 112_896


@limits("TRANSPOSE")
def transpose(site: Site) -> Reason | None:
    """Mapped depending on size."""
    has_five = len(site.source.shape) > 4
    if has_five or site.source.size >= _TRANSPOSE_LEFT:
        of = "five dimensions" if has_five else f"{_TRANSPOSE_LEFT:,} elements"
        return _left(f"transpositions of {of} were left on the CPU", Provenance.PARSED)
    if site.source.size > _TRANSPOSE_MAPPED:
        return _unseen(f"up to {_TRANSPOSE_MAPPED:,} elements")
    return None


_TILE_MAPPED = 139_392  # elements of the output: [1,1,1,128] was mapped to [1,33,33,128]


@limits("TILE")
def tile(site: Site) -> Reason | None:
    """One pixel to a map.

    It is not in the documented table.
    """
    source, result = extent(site.source), extent(site.result)
    one_pixel = len(source) == 4 and source[:3] == (1, 1, 1) and result[-1] == source[-1]
    mapped = one_pixel and site.result.size <= _TILE_MAPPED
    return None if mapped else _unseen(f"one pixel to a map of up to {_TILE_MAPPED:,} elements")


def _left(rule: str, provenance: Provenance = Provenance.DOCUMENTED) -> Reason:
    return Reason(Status.UNSPECIFIED, rule, provenance)


def _unseen(seen: str, provenance: Provenance = Provenance.PARSED) -> Reason:
    return Reason(Status.UNSEEN, f"seen mapped: {seen}", provenance, Placement.UNKNOWN)


def _batch(
    rank: int, chosen: Sequence[int], what: str, provenance: Provenance = Provenance.DOCUMENTED
) -> Reason | None:
    # A single dimension is the innermost one, and no batch.
    has_batch = rank > 1 and 0 in chosen
    return _left(f"no {what} in the batch dimension", provenance) if has_batch else None


def _is_vector(tensor: Tensor) -> bool:
    return all(size == 1 for size in extent(tensor)[:-1])


def _is_zero(tensor: Tensor) -> bool:
    zero_point = tensor.quantization.zero_points[0] if tensor.quantization else 0
    return all(value == zero_point for value in integers(tensor) or ())
