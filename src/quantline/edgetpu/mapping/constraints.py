"""The limitations of single operators, as Coral's table of supported operations states them.

Each is a :data:`quantline.edgetpu.vocabulary.Constraint`. It may rely on what
:func:`quantline.edgetpu.mapping.requirements.find_reason` has checked before: 8-bit activations of
known shape with at most three dimensions above 1, and constant parameters.

Source: https://coral.ai/docs/edgetpu/models-intro/#supported-operations
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantline.edgetpu.mapping import sizes
from quantline.edgetpu.tensors import INTEGER_8, at, axes, extent, integers
from quantline.edgetpu.vocabulary import Provenance, Reason, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantline.tflite.graph import Operator, Tensor

# The runtime up to which the table states narrower limits for some operators.
NARROW_RUNTIME = 12


def no_fused_activation(
    operator: Operator, tensors: Sequence[Tensor], runtime_version: int
) -> Reason | None:
    """No fused activation function."""
    if operator.options.get("fusedActivationFunction", 0):
        return _limit("no fused activation function")
    return None


def concatenation(
    operator: Operator, tensors: Sequence[Tensor], runtime_version: int
) -> Reason | None:
    """No fused activation; a constant input only as the zeros of a padding of one other input."""
    constants = [tensors[index] for index in operator.inputs if tensors[index].constant is not None]
    padding = len(operator.inputs) == 2 and all(_is_zero(constant) for constant in constants)
    if constants and not padding:
        return _limit("a constant input must be all zeros, and one of exactly two inputs")
    return no_fused_activation(operator, tensors, runtime_version)


def same_dilation(
    operator: Operator, tensors: Sequence[Tensor], runtime_version: int
) -> Reason | None:
    """The same dilation in x and y, where the kernel extends in both.

    Along a dimension of one tap nothing is dilated: a compiled network over time, of kernels of 3x1
    dilated by 2x1 and 4x1, has them mapped. The table once excluded dilated DEPTHWISE_CONV_2D below
    runtime 13; a compiled DeepLab v3 that asks for runtime 12 has it mapped.
    """
    weights = at(operator, 1, tensors)
    taps = extent(weights)[1:3] if weights is not None else ()
    dilations = [operator.options.get(f"dilation{side}Factor", 1) for side in "HW"]
    if dilations[0] != dilations[1] and 1 not in taps:
        return _limit("the same dilation in x and y")
    return None


def fully_connected(
    operator: Operator, tensors: Sequence[Tensor], runtime_version: int
) -> Reason | None:
    """The default weights format, and a one-dimensional output."""
    if operator.options.get("weightsFormat", 0):
        return _limit("the default format of weights only")
    if not _is_vector(tensors[operator.outputs[0]]):
        return _limit("a one-dimensional output")
    return None


def softmax(operator: Operator, tensors: Sequence[Tensor], runtime_version: int) -> Reason | None:
    """At most 16,000 elements along the innermost dimension; 16,384 were seen mapped.

    The table also asks for a one-dimensional input, and compiler 2.0 refused others (google-coral's
    edgetpu issue 27). Compiler 16.0 maps them: published logs of YOLO v8 and v9 with their boxes'
    distributions, 16 values in each of 4 sides of each box.
    """
    if extent(tensors[operator.inputs[0]])[-1:] > (16_384,):
        return _limit("at most 16,000 elements along the innermost dimension (16,384 seen mapped)")
    return None


def mean(operator: Operator, tensors: Sequence[Tensor], runtime_version: int) -> Reason | None:
    """No reduction over the batch; over the innermost only where that is a multiple of 4.

    Up to runtime 12, over x and y only. Nor of too many values: :func:`sizes.reduction`.
    """
    shape = extent(tensors[operator.inputs[0]])
    rank = len(shape)
    reduced = axes(at(operator, 1, tensors), rank)
    if runtime_version <= NARROW_RUNTIME and not set(reduced) <= {rank - 3, rank - 2}:
        return _limit("a reduction in x and y only, up to runtime 12")
    if rank - 1 in reduced and shape[-1] % 4:
        return _limit("a reduction in z only where z is a multiple of 4")
    return not_batch(operator, tensors, runtime_version) or sizes.reduction(shape, reduced)


def not_batch(operator: Operator, tensors: Sequence[Tensor], runtime_version: int) -> Reason | None:
    """No reduction over the batch dimension."""
    rank = len(tensors[operator.inputs[0]].shape)
    if _has_batch(rank, axes(at(operator, 1, tensors), rank)):
        return _limit("no reduction in the batch dimension")
    return None


def pack(operator: Operator, tensors: Sequence[Tensor], runtime_version: int) -> Reason | None:
    """No packing in the batch dimension."""
    rank = len(tensors[operator.outputs[0]].shape)
    if _has_batch(rank, (operator.options.get("axis", 0) % max(rank, 1),)):
        return _limit("no packing in the batch dimension")
    return None


def split(operator: Operator, tensors: Sequence[Tensor], runtime_version: int) -> Reason | None:
    """No splitting in the batch dimension; its axis is the first input.

    With a single output there is nothing to split: a compiled YAMNet has such a one mapped.
    """
    if len(operator.outputs) == 1:
        return None
    rank = len(tensors[operator.inputs[1]].shape)
    if _has_batch(rank, axes(at(operator, 0, tensors), rank)):
        return _limit("no splitting in the batch dimension", Provenance.MEMORY)
    return None


def pad(operator: Operator, tensors: Sequence[Tensor], runtime_version: int) -> Reason | None:
    """No padding in the batch dimension.

    Up to runtime 12 the table names x and y only. A compiled face detector that asks for runtime 12
    has eleven paddings of channels mapped, as products with identity matrices, which its parameters
    hold; so nothing in them depends on the runtime.
    """
    amounts = integers(at(operator, 1, tensors)) or ()
    rank = len(amounts) // 2
    padded = {axis for axis in range(rank) if any(amounts[2 * axis : 2 * axis + 2])}
    if _has_batch(rank, padded):
        return _limit("no padding in the batch dimension")
    return None


def prelu(operator: Operator, tensors: Sequence[Tensor], runtime_version: int) -> Reason | None:
    """An alpha for each channel: only its innermost dimension may be above 1."""
    alpha = at(operator, 1, tensors)
    if alpha is not None and not _is_vector(alpha):
        return _limit("a one-dimensional alpha (in Keras, shared_axes=[1, 2])")
    return None


def quantize(operator: Operator, tensors: Sequence[Tensor], runtime_version: int) -> Reason | None:
    """From 8 bits to 8 bits: in compiled files, none from float32 was ever mapped."""
    if tensors[operator.inputs[0]].dtype not in INTEGER_8:
        return Reason(
            Status.UNSPECIFIED, "a float input is quantized on the CPU", Provenance.PARSED
        )
    return None


def squeeze(operator: Operator, tensors: Sequence[Tensor], runtime_version: int) -> Reason | None:
    """Up to runtime 12, only where dimensions of 1 come before all others."""
    shape = extent(tensors[operator.inputs[0]])
    above = [size > 1 for size in shape]
    if runtime_version <= NARROW_RUNTIME and above != sorted(above):
        return _limit("only leading dimensions of 1, up to runtime 12")
    return None


def strided_slice(
    operator: Operator, tensors: Sequence[Tensor], runtime_version: int
) -> Reason | None:
    """Strides of 1, no ellipsis and no new axis."""
    if any(stride != 1 for stride in integers(at(operator, 3, tensors)) or ()):
        return Reason(Status.STRIDES, "all strides equal to 1", Provenance.DOCUMENTED)
    if operator.options.get("ellipsisMask", 0) or operator.options.get("newAxisMask", 0):
        return _limit("ellipsis_mask and new_axis_mask equal to 0")
    return None


def _limit(rule: str, provenance: Provenance = Provenance.DOCUMENTED) -> Reason:
    return Reason(Status.UNSPECIFIED, rule, provenance)


def _has_batch(rank: int, chosen: Sequence[int] | set[int]) -> bool:
    # A single dimension is the innermost one, and no batch.
    return rank > 1 and 0 in chosen


def _is_vector(tensor: Tensor) -> bool:
    return all(size == 1 for size in extent(tensor)[:-1])


def _is_zero(tensor: Tensor) -> bool:
    zero_point = tensor.quantization.zero_points[0] if tensor.quantization else 0
    return all(value == zero_point for value in integers(tensor) or ())
