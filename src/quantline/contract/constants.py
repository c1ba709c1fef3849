"""Checks of weights and biases against the specification, and the effect of a wrong scale.

A scale that differs from the specified one is wrong in so far as an output is: in its last bit, or
on a bias of zeros, it changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from quantline.contract.rules import broken, parameters

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quantline.contract.finding import Finding
    from quantline.contract.specification import Family, TensorSpecification
    from quantline.tflite import Operator, Quantization, Subgraph, Tensor

LEAST_STEPS = 0.5
"""From here on a rounded value may come out as another integer."""


def extremes(tensor: Tensor) -> tuple[int, int]:
    """Return the smallest and the largest integer of a tensor: those stored, or its dtype's."""
    if tensor.constant is not None and not tensor.is_sparse and tensor.constant.size:
        values = tensor.values()
        return int(values.min()), int(values.max())
    limits = np.iinfo(tensor.dtype)
    return int(limits.min), int(limits.max)


def rescaling_steps(tensor: Tensor, reader: Quantization) -> float:
    """Return the largest error, in steps, of a tensor's values that are read with another scale.

    ``real = scale * (q - zero)`` is linear in ``q``, so the largest difference is at an end:
    ``|scale / reader_scale * (q - zero) - (q - reader_zero)|``.
    """
    own = tensor.quantization
    if own is None or not 0 < reader.scales[0] < np.inf:
        return np.inf
    ratio = own.scales[0] / reader.scales[0]
    return max(
        abs(ratio * (extreme - own.zero_points[0]) - (extreme - reader.zero_points[0]))
        for extreme in extremes(tensor)
    )


def bias_steps(bias: Tensor, scales: np.ndarray, products: np.ndarray, step: float) -> np.ndarray:
    """Return the error of each channel's bias in steps of the output, shape (channels,).

    Kernels add the stored integers to the products of inputs and weights, and so read them with
    the scale of these, whatever the bias says.

    Args:
        bias: The bias, a constant.
        scales: Its scales, float64, shape (1,) or (channels,).
        products: Input scale times weight scale, of such a shape too.
        step: The output's scale.
    """
    values = bias.values().astype(np.float64).ravel()
    return np.asarray(np.abs(values * (scales - products)) / step)


# Kernels with one scale for weights refuse a bias scale that is off by more of the output's scale
# (GetQuantizedConvolutionMultipler in kernel_util.cc).
_REFUSED = 0.02
# The step in which an LSTM's gates are summed: int16 with three bits before the point (lstm.cc).
_GATE = 2.0**-12


def check_weights(
    subgraph: Subgraph,
    operator: Operator,
    spec: TensorSpecification,
    tensor: Tensor,
    family: Family | None,
) -> Iterator[Finding]:
    """Find violations of the specification in weights; ``family`` is None for floats."""
    if tensor.dtype.startswith("float"):
        return
    # Models of 2018 with float activations call their int8 weights uint8, and kernels take them.
    allowed = (*spec.int8, "uint8") if family is None else spec.dtypes(family)
    if tensor.dtype not in allowed:
        found, expected = f"{tensor.dtype} weights", " or ".join(allowed)
        yield broken("weights.type", subgraph, operator, tensor, found, expected=expected)
    elif tensor.dtype == "int8" and spec.low is not None and not tensor.is_sparse:
        yield from _lowest(subgraph, operator, spec, tensor)
    quantization = tensor.quantization
    if quantization is None:
        yield broken("weights.axis", subgraph, operator, tensor, "no scale")
        return
    if family != "uint8" and any(quantization.zero_points):
        wrong = next(point for point in quantization.zero_points if point)
        yield broken("weights.zero_point", subgraph, operator, tensor, f"a zero point of {wrong}")
    axis, count = quantization.axis, len(quantization.scales)
    if count == 1:
        return
    if spec.axis is None or family == "uint8":
        expected = "one scale"
    elif axis != spec.axis or tensor.shape[axis] != count:
        expected = f"one scale, or one for each index along dimension {spec.axis}"
    else:
        return
    found = parameters(quantization)
    yield broken("weights.axis", subgraph, operator, tensor, found, expected=expected)


def _lowest(
    subgraph: Subgraph, operator: Operator, spec: TensorSpecification, tensor: Tensor
) -> Iterator[Finding]:
    """Find channels in which two products with -128 may be summed: 2 * 128 * 128 is no int16."""
    axis = spec.axis or 0
    others = tuple(number for number in range(len(tensor.shape)) if number != axis)
    # Damaged weights may have too few dimensions: all of them are then one channel.
    counts = np.atleast_1d(np.count_nonzero(tensor.values() < (spec.low or 0), axis=others))
    most = int(np.argmax(counts)) if counts.size else 0
    if counts.size and counts[most] > 1:
        found = f"{counts.sum()} weights of -128, {counts[most]} of them in channel {most}"
        yield broken("weights.range", subgraph, operator, tensor, found)


def check_bias(
    subgraph: Subgraph,
    operator: Operator,
    spec: TensorSpecification,
    tensor: Tensor,
    family: Family,
) -> Iterator[Finding]:
    """Find violations of the specification in an operator's bias that change an output."""
    allowed = spec.dtypes(family)
    if tensor.dtype not in allowed:
        found, expected = tensor.dtype, " or ".join(allowed)
        yield broken("bias.type", subgraph, operator, tensor, found, expected=expected)
        return
    if tensor.quantization is None:
        return  # kernels do not read its scale, and use the product
    if any(tensor.quantization.zero_points):
        wrong = next(point for point in tensor.quantization.zero_points if point)
        yield broken("bias.zero_point", subgraph, operator, tensor, f"a zero point of {wrong}")
    is_lstm = operator.type == "UNIDIRECTIONAL_SEQUENCE_LSTM"
    if is_lstm and max(operator.inputs[20:24], default=-1) >= 0:
        return  # layer normalization: the bias has the scale of its coefficients
    products = _products(subgraph, operator, spec, tensor)
    output = subgraph.tensors[operator.outputs[0]].quantization
    if products is None or output is None or not output.scales[0] > 0:
        return  # found at the input, the weights or the output
    checks = operator.type == "FULLY_CONNECTED" or family == "uint8"
    step = _GATE if is_lstm else output.scales[0]
    yield from _check_bias_scale(subgraph, operator, tensor, products, step, checks=checks)


def _check_bias_scale(
    subgraph: Subgraph,
    operator: Operator,
    tensor: Tensor,
    products: np.ndarray,
    step: float,
    *,
    checks: bool,
) -> Iterator[Finding]:
    """Find a bias whose scale makes a difference, or one scale that the kernel ``checks``."""
    scales = np.asarray(tensor.quantization.scales if tensor.quantization else ())
    if products.size not in (1, scales.size) and scales.size != 1:
        found = f"{scales.size} scales for {products.size} of the weights"
        yield broken("bias.scale", subgraph, operator, tensor, found)
        return
    if tensor.constant is None or tensor.is_sparse:
        return
    off = bias_steps(tensor, scales, products, step)
    worst, difference = int(np.argmax(off)), float(np.abs(scales - products).max()) / step
    steps = float(off[worst])
    channels = np.count_nonzero(off >= LEAST_STEPS)
    where = f" in {channels} of {off.size} channels" if off.size > 1 else ""
    if channels:
        effect = f"the output is off by up to {steps:.3g} steps{where}"
    elif checks and scales.size == products.size == 1 and difference > _REFUSED:
        effect = f"off by {difference:.1%} of the output's scale, which kernels refuse"
    else:
        return
    found = f"scale {scales[worst % scales.size]:.9g}{f' in channel {worst}' if where else ''}"
    yield broken(
        "bias.scale", subgraph, operator, tensor, f"{found}: {effect}",
        expected=f"input scale times weight scale, {products[worst % products.size]:.9g}",
        effect_steps=steps,
    )  # fmt: skip


def _products(
    subgraph: Subgraph, operator: Operator, spec: TensorSpecification, bias: Tensor
) -> np.ndarray | None:
    """Return the specified scales of a bias, float64, shape (1,) or (channels,), where known."""
    indices = [operator.inputs[position] for position in spec.product]
    factors = [subgraph.tensors[index].quantization for index in indices if index >= 0]
    lengths = {1, *(len(factor.scales) for factor in factors if factor)}
    if len(factors) < len(indices) or None in factors or len(lengths) > 2:
        return None
    products = np.prod(
        np.broadcast_arrays(*(factor.scales for factor in factors if factor)), axis=0
    )
    is_usable = np.all((products > 0) & np.isfinite(products))
    return products if len(products) in (1, bias.size) and is_usable else None
