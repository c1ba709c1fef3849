"""The distributions of recorded tensors as a picture: a line a tensor."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from quantline.tables import shortened

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from quantline.ranges import TensorRange
    from quantline.ranges.sketch import Sketch

COLUMNS = 256
_ROW_INCHES, _TALLEST_INCHES = 0.17, 300.0
_LONGEST_NAME = 44
_RAREST = 1e-5


def draw_ranges(
    tensors: Sequence[TensorRange],
    chosen: Mapping[int, tuple[float, float] | None],
    title: str,
    method: str,
) -> bytes:
    """Draw each tensor's values over its recorded range, in 256 columns, as a PNG file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure

    count = len(tensors)
    rows = min(count * _ROW_INCHES, _TALLEST_INCHES)
    height = rows + 1.5
    figure = Figure(figsize=(11, height), dpi=110)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.33, 0.6 / height, 0.45, rows / height))
    shares = np.stack([_shares(tensor) for tensor in tensors])
    shown = axes.imshow(
        np.ma.masked_less(shares, _RAREST), aspect="auto", interpolation="nearest",
        cmap="viridis", norm=LogNorm(_RAREST, 1), extent=(0, COLUMNS, count - 0.5, -0.5),
    )  # fmt: skip
    bounds = [chosen[tensor.index] for tensor in tensors]
    ends = [() if pair is None else (min(pair[0], 0.0), max(pair[1], 0.0)) for pair in bounds]
    for color, places in (("black", [(0.0,)] * count), ("red", ends)):
        marks = [
            (at, place)
            for at, values in enumerate(places)
            for place in _places(tensors[at], values, is_end=color == "red")
        ]
        if marks:
            at, place = np.array(marks).T
            axes.vlines(place, at - 0.5, at + 0.5, color=color, lw=1.4, clip_on=False)
    axes.hlines(np.arange(count - 1) + 0.5, 0, COLUMNS, color="white", lw=1)
    font = min(7.0, 72 * rows / count * 0.75)
    # A fused operator's name is a list of all that went into it; the first is enough.
    firsts = [tensor.name.split(";")[0] for tensor in tensors]
    names = [
        f"{shortened(name, _LONGEST_NAME)}  {tensor.index}"
        for name, tensor in zip(firsts, tensors, strict=True)
    ]
    axes.set_yticks(range(count), names, fontsize=font)
    axes.set_xticks([0, COLUMNS / 2, COLUMNS], ["smallest value", "", "largest value"], fontsize=8)
    axes.tick_params(length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    for at, tensor in enumerate(tensors):
        low, high = _span(tensor)
        text = f"{low:.4g} to {high:.4g}" if low <= high else "nothing finite"
        broken = f"  {tensor.nan} NaN, {tensor.inf} Inf" if tensor.nan or tensor.inf else ""
        axes.text(COLUMNS + 3, at, text + broken, fontsize=font, va="center",
                  color="red" if broken else "black")  # fmt: skip
    bar = figure.add_axes((0.33, 1 - 0.62 / height, 0.45, 0.1 / height))
    figure.colorbar(shown, cax=bar, orientation="horizontal")
    bar.tick_params(labelsize=7)
    bar.set_title("share of the tensor's values in each of 256 columns", fontsize=8, pad=3)
    figure.text(0.01, 1 - 0.2 / height, title, fontsize=10, weight="bold", va="top")
    figure.text(0.01, 1 - 0.45 / height, f"black: zero; red: the range\nthat '{method}' chooses",
                fontsize=8, va="top")  # fmt: skip
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


def _span(tensor: TensorRange) -> tuple[float, float]:
    """Return the recorded range, widened to hold zero as an int8 range must."""
    if tensor.min > tensor.max:
        return np.inf, -np.inf
    return min(tensor.min, 0.0), max(tensor.max, 0.0)


def _places(tensor: TensorRange, values: Sequence[float], *, is_end: bool) -> Iterator[float]:
    """Yield the columns where values lie; an end that is the recorded one needs no mark."""
    low, high = _span(tensor)
    for value in values if low < high else ():
        place = COLUMNS * (value - low) / (high - low)
        if not is_end or 0.5 < place < COLUMNS - 0.5:
            yield place


def _shares(tensor: TensorRange) -> np.ndarray:
    """Return the share of values in each column, shape (256,)."""
    low, high = _span(tensor)
    if not (low < high and tensor.sketch.total):
        return np.zeros(COLUMNS)
    return column_shares(tensor.sketch, np.linspace(low, high, COLUMNS + 1))


def column_shares(sketch: Sketch, edges: np.ndarray) -> np.ndarray:
    """Return the share of a sketch's values between each two neighbours of ``edges``.

    Values are evenly spread inside a bin; zero, whose bin has no width, is one column's.
    """
    low, high = sketch.edges()
    inner = sketch.keys != 0
    counts = np.where(inner, sketch.counts, 0)
    below = np.concatenate([[0], np.cumsum(counts)])
    points = np.stack([low[inner], high[inner]], axis=1).ravel()
    sums = np.stack([below[:-1][inner], below[1:][inner]], axis=1).ravel()
    shares: np.ndarray = np.zeros(len(edges) - 1)
    if len(points):
        # A bin reaches a little past the extremes: what lies there belongs to the last columns.
        reached = np.interp(edges, points, sums)
        reached[0], reached[-1] = 0, below[-1]
        shares = np.diff(reached)
    zeros = int(sketch.counts[~inner].sum())
    if zeros:
        at = np.searchsorted(edges, 0.0, side="right") - 1
        shares[min(max(int(at), 0), len(shares) - 1)] += zeros
    return shares / sketch.total
