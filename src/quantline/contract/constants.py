"""Checks of weights and biases against the specification, and the effect of a wrong scale.

A scale that differs from the specified one is wrong in so far as an output is: in its last bit, or
on a bias of zeros, it changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from quantline.contract.rules import Site, parameters

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quantline.contract.finding import Finding
    from quantline.contract.specification import Family, TensorSpecification
    from quantline.tflite import Quantization, Tensor

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
    zero, other = own.zero_points[0], reader.zero_points[0]
    return max(abs(ratio * (end - zero) - (end - other)) for end in extremes(tensor))


# Kernels with one scale for weights refuse a bias scale that is off by more of the output's scale
# (GetQuantizedConvolutionMultipler in kernel_util.cc).
_REFUSED = 0.02
# The step in which an LSTM's gates are summed: int16 with three bits before the point (lstm.cc).
_GATE = 2.0**-12


def check_weights(
    site: Site, spec: TensorSpecification, tensor: Tensor, family: Family | None
) -> Iterator[Finding]:
    """Find violations of the specification in weights; ``family`` is None for floats."""
    if tensor.dtype.startswith("float"):
        return
    # Models of 2018 with float activations call their int8 weights uint8, and kernels take them.
    allowed = (*spec.int8, "uint8") if family is None else spec.dtypes(family)
    if tensor.dtype not in allowed:
        yield site.broken("weights.type", tensor, f"{tensor.dtype} weights", " or ".join(allowed))
    elif tensor.dtype == "int8" and spec.low is not None and not tensor.is_sparse:
        yield from _lowest(site, spec, tensor)
    quantization = tensor.quantization
    if quantization is None:
        yield site.broken("weights.axis", tensor, "no scale")
        return
    if family != "uint8" and (wrong := next(filter(None, quantization.zero_points), 0)):
        yield site.broken("weights.zero_point", tensor, f"a zero point of {wrong}")
    axis, count = quantization.axis, len(quantization.scales)
    if count == 1:
        return
    if spec.axis is None or family == "uint8":
        yield site.broken("weights.axis", tensor, parameters(quantization), "one scale")
    elif axis != spec.axis or tensor.shape[axis] != count:
        expected = f"one scale, or one for each index along dimension {spec.axis}"
        yield site.broken("weights.axis", tensor, parameters(quantization), expected)


def _lowest(site: Site, spec: TensorSpecification, tensor: Tensor) -> Iterator[Finding]:
    """Find channels in which two products with -128 may be summed: 2 * 128 * 128 is no int16."""
    axis = spec.axis or 0
    others = tuple(number for number in range(len(tensor.shape)) if number != axis)
    # Damaged weights may have too few dimensions: all of them are then one channel.
    counts = np.atleast_1d(np.count_nonzero(tensor.values() < (spec.low or 0), axis=others))
    most = int(np.argmax(counts)) if counts.size else 0
    if counts.size and counts[most] > 1:
        found = f"{counts.sum()} weights of -128, {counts[most]} of them in channel {most}"
        yield site.broken("weights.range", tensor, found)


def check_bias(
    site: Site, spec: TensorSpecification, tensor: Tensor, family: Family
) -> Iterator[Finding]:
    """Find violations of the specification in an operator's bias that change an output."""
    operator = site.operator
    allowed = spec.dtypes(family)
    if tensor.dtype not in allowed:
        yield site.broken("bias.type", tensor, tensor.dtype, " or ".join(allowed))
        return
    if tensor.quantization is None:
        return  # kernels do not read its scale, and use the product
    if wrong := next(filter(None, tensor.quantization.zero_points), 0):
        yield site.broken("bias.zero_point", tensor, f"a zero point of {wrong}")
    is_lstm = operator.type == "UNIDIRECTIONAL_SEQUENCE_LSTM"
    if is_lstm and max(operator.inputs[20:24], default=-1) >= 0:
        return  # layer normalization: the bias has the scale of its coefficients
    products = _products(site, spec, tensor)
    output = site.subgraph.tensors[operator.outputs[0]].quantization
    if products is None or output is None or not output.scales[0] > 0:
        return  # found at the input, the weights or the output
    checks = operator.type == "FULLY_CONNECTED" or family == "uint8"
    step = _GATE if is_lstm else output.scales[0]
    yield from _check_bias_scale(site, tensor, products, step, checks=checks)


def _check_bias_scale(
    site: Site, tensor: Tensor, products: np.ndarray, step: float, *, checks: bool
) -> Iterator[Finding]:
    """Find a bias whose scale makes a difference, or one scale that the kernel ``checks``.

    Kernels add the stored integers to the products of inputs and weights, and so read them with
    the scale of these, float64 of shape (1,) or (channels,), whatever the bias says.
    """
    scales = np.asarray(tensor.quantization.scales if tensor.quantization else ())
    if products.size not in (1, scales.size) and scales.size != 1:
        found = f"{scales.size} scales for {products.size} of the weights"
        yield site.broken("bias.scale", tensor, found)
        return
    if tensor.constant is None or tensor.is_sparse:
        return
    values = tensor.values().astype(np.float64).ravel()
    off = np.abs(values * (scales - products)) / step
    worst, difference = int(np.argmax(off)), float(np.abs(scales - products).max()) / step
    channels = np.count_nonzero(off >= LEAST_STEPS)
    where = f" in {channels} of {off.size} channels" if off.size > 1 else ""
    if channels:
        effect = f"the output is off by up to {float(off[worst]):.3g} steps{where}"
    elif checks and scales.size == products.size == 1 and difference > _REFUSED:
        effect = f"off by {difference:.1%} of the output's scale, which kernels refuse"
    else:
        return
    found = f"scale {scales[worst % scales.size]:.9g}{f' in channel {worst}' if where else ''}"
    expected = f"input scale times weight scale, {products[worst % products.size]:.9g}"
    yield site.broken("bias.scale", tensor, f"{found}: {effect}", expected, float(off[worst]))


def _products(site: Site, spec: TensorSpecification, bias: Tensor) -> np.ndarray | None:
    """Return the specified scales of a bias, float64, shape (1,) or (channels,), where known."""
    inputs = site.subgraph.tensors_at(site.operator.inputs[place] for place in spec.product)
    factors = [tensor.quantization.scales for tensor in inputs if tensor.quantization]
    if len(factors) < len(spec.product) or len({1, *map(len, factors)}) > 2:
        return None
    products = np.prod(np.broadcast_arrays(*factors), axis=0)
    is_usable = np.all((products > 0) & np.isfinite(products))
    return products if len(products) in (1, bias.size) and is_usable else None
