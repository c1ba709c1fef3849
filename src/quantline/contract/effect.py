"""By how much integers are off that are read with another scale than their own, in steps.

A scale that differs from the specified one is wrong in so far as an output is: in its last bit, or
on a bias of zeros, it changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
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
    """Return by how many steps a tensor's values are off where they are read with another scale.

    ``real = scale * (q - zero)`` is linear in ``q``, so the largest difference is at an end:
    ``|scale / reader_scale * (q - zero) - (q - reader_zero)|``.

    Args:
        tensor: The tensor, with one scale.
        reader: The scale and zero point that its integers are read with.
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
    """Return by how many steps of the output each channel's bias is off, shape (channels,).

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
