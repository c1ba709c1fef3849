"""The range whose int8 distribution is nearest to the recorded one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantline.range_methods._method import Method

if TYPE_CHECKING:
    import numpy as np

    from quantline.range_methods._method import Bounds, Recorded

_BINS = 2048
_SIGNED_LEVELS, _UNSIGNED_LEVELS = 128, 256


def entropy(tensor: Recorded) -> Bounds:
    """Return the range that minimises the Kullback-Leibler divergence from float to int8.

    The rule is that of Migacz, 8-bit Inference with TensorRT (GTC 2017), slides 25 to 31: of all
    thresholds on the magnitude in a histogram of 2048 bins, the one at which the clipped
    distribution and its quantized copy are nearest. Magnitudes are quantized to 128 levels where
    both signs occur, else to 256.
    """
    import numpy as np

    largest = max(-tensor.min, tensor.max)
    if largest <= 0:
        return tensor.min, tensor.max
    histogram = magnitudes(tensor, largest)
    # The zeros of a rectifier are exact at any threshold, and would outweigh everything else; so
    # does NVIDIA's pytorch-quantization (calib/histogram.py, _compute_amax_entropy).
    histogram[0] = histogram[1]
    levels = _SIGNED_LEVELS if tensor.min < 0 < tensor.max else _UNSIGNED_LEVELS
    candidates = range(levels, _BINS + 1, 8)
    divergences = [divergence(histogram, bins, levels) for bins in candidates]
    threshold = largest * candidates[int(np.argmin(divergences))] / _BINS
    return max(tensor.min, -threshold), min(tensor.max, threshold)


def magnitudes(tensor: Recorded, largest: float) -> np.ndarray:
    """Spread a sketch's counts evenly over 2048 equal bins of magnitude up to ``largest``."""
    import numpy as np

    low, high = (np.abs(edge) for edge in tensor.sketch.edges())
    starts, places = np.unique(np.minimum(low, high), return_inverse=True)
    counts = np.bincount(places, tensor.sketch.counts, len(starts))
    stops = np.zeros(len(starts))
    np.maximum.at(stops, places, np.minimum(np.maximum(low, high), largest))
    zeros = counts[starts == 0].sum()
    some = starts > 0
    starts, stops, counts = starts[some], stops[some], counts[some]
    starts = np.minimum(starts, stops * (1 - 1e-9))  # the largest value may begin its bin
    # The count below each magnitude is linear inside a bin and level between two.
    below = np.concatenate([[0], np.cumsum(counts)])
    edges = np.linspace(0, largest, _BINS + 1)
    points = np.stack([starts, stops], axis=1).ravel()
    heights = np.stack([below[:-1], below[1:]], axis=1).ravel()
    histogram = np.diff(np.interp(edges, points, heights))
    histogram[0] += zeros
    return np.asarray(histogram)


def divergence(histogram: np.ndarray, bins: int, levels: int) -> float:
    """Return the divergence of the histogram's first bins, clipped, from their quantized copy."""
    import numpy as np

    inside = histogram[:bins]
    clipped = inside.copy()
    clipped[-1] += histogram[bins:].sum()
    level = np.arange(bins) * levels // bins
    filled = inside > 0
    sums = np.bincount(level, inside, levels)
    parts = np.bincount(level, filled, levels)
    quantized = np.where(filled, sums[level] / np.maximum(parts[level], 1), 0)
    if not quantized.any():
        return np.inf
    p, q = clipped / clipped.sum(), quantized / quantized.sum()
    used = p > 0
    # A level that holds nothing where the clipped distribution does is infinitely far; the usual
    # smoothing keeps it finite.
    return float((p[used] * np.log(p[used] / np.maximum(q[used], 1e-9))).sum())


METHOD = Method(
    name="entropy",
    summary="the least Kullback-Leibler divergence",
    source="Migacz 2017",
    choose=entropy,
    order=50,
)
