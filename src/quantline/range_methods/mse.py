"""The range with the least squared quantization error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantline.range_methods._method import Method

if TYPE_CHECKING:
    from quantline.range_methods._method import Bounds, Recorded

_CANDIDATES = 128
_STEPS = 255  # int8 holds 256 values


def mse(tensor: Recorded) -> Bounds:
    """Return the range that minimises the mean squared error of int8 over the recorded values.

    The two ends are searched together over a grid, as in Nagel et al., A White Paper on Neural
    Network Quantization (2021), section 3.1, with the error in closed form, as in Banner et al.,
    Post Training 4-bit Quantization of Convolutional Networks (2019), section 3: a value outside
    costs its squared distance to the range, one inside ``step ** 2 / 12``, and one that rounds to
    zero its own square.
    """
    import numpy as np

    low_edge, high_edge = tensor.sketch.edges()
    values = np.clip((low_edge + high_edge) / 2, tensor.min, tensor.max)
    counts = tensor.sketch.counts.astype(np.float64)
    shares = np.linspace(1, 1 / _CANDIDATES, _CANDIDATES)
    lows, highs = min(tensor.min, 0.0) * shares, max(tensor.max, 0.0) * shares
    if lows[0] == 0:
        lows = lows[:1]
    if highs[0] == 0:
        highs = highs[:1]
    below = np.array([(counts * np.clip(low - values, 0, None) ** 2).sum() for low in lows])
    above = np.array([(counts * np.clip(values - high, 0, None) ** 2).sum() for high in highs])
    magnitudes = np.abs(values)
    order = np.argsort(magnitudes)
    number = np.concatenate([[0], np.cumsum(counts[order])])
    squares = np.concatenate([[0], np.cumsum((counts * magnitudes**2)[order])])
    steps = (highs - lows[:, np.newaxis]) / _STEPS
    rounded = np.searchsorted(magnitudes[order], steps / 2)
    outside = np.array([counts[values < low].sum() for low in lows])[:, np.newaxis] + np.array(
        [counts[values > high].sum() for high in highs]
    )
    inside = (number[-1] - outside - number[rounded]) * steps**2 / 12 + squares[rounded]
    error = below[:, np.newaxis] + above + inside
    best_low, best_high = np.unravel_index(np.argmin(error), error.shape)
    return float(lows[best_low]), float(highs[best_high])


METHOD = Method(
    name="mse",
    summary="the least squared error of int8",
    source="Nagel et al. 2021, 3.1; Banner et al. 2019, 3",
    choose=mse,
    order=40,
)
