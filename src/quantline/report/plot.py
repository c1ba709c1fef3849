"""The summary as a picture."""

from __future__ import annotations

import io
from typing import Any

from quantline.report.table import points

_COLORS = ("#8a8f98", "#1f77b4")


def draw_summary(summary: dict[str, Any]) -> bytes:
    """Draw accuracy, size and latency of both models side by side.

    Args:
        summary: What :func:`quantline.report.summarize` gave.

    Returns:
        A PNG file's bytes, about 900 by 300 pixels.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    accuracy, size, latency = figure.subplots(1, 3)
    models = [summary["float"], summary["int8"]]
    change = summary["comparison"]

    if "top1" in models[0]:
        for place, values in enumerate(models):
            top1, low, high = (100 * values[key] for key in ("top1", "top1_low", "top1_high"))
            accuracy.errorbar(
                place, top1, [[top1 - low], [high - top1]], fmt="o", capsize=6, ms=8,
                color=_COLORS[place],
            )  # fmt: skip
        accuracy.set(xlim=(-0.6, 1.6), ylabel="top-1, %, with 95 % interval")
        accuracy.set_title(points(change, "top1_drop_points"), fontsize=10)
    else:
        accuracy.set_title("no labels: no accuracy", fontsize=10)
    size.bar([0, 1], [values["size_bytes"] / 2**10 for values in models], color=_COLORS)
    size.set(ylabel="size, KiB")
    size.set_title(f"{change['size_ratio']:.1f}x smaller", fontsize=10)
    middles = [values["latency_ms_p50"] for values in models]
    spreads = [
        [values["latency_ms_p50"] - values["latency_ms_p10"] for values in models],
        [values["latency_ms_p90"] - values["latency_ms_p50"] for values in models],
    ]
    latency.bar([0, 1], middles, yerr=spreads, capsize=6, color=_COLORS)
    latency.set(ylabel="CPU latency, ms, p10 to p90")
    latency.set_title(f"{change['speed_ratio']:.1f}x as fast", fontsize=10)
    for axes in (accuracy, size, latency):
        axes.set_xticks([0, 1], ["float", "int8"])
        axes.spines[["top", "right"]].set_visible(False)
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()
