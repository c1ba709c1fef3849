"""``quantline ranges``: recorded ranges as a table and as a picture."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from quantline.api.files import check_outputs, write_together
from quantline.commands.command import Command, Result
from quantline.commands.options import method_options
from quantline.range_methods import METHODS
from quantline.tables import table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from quantline.range_methods import Bounds, ChosenMethod
    from quantline.ranges import Drift, TensorRange

_ENDS = ("min", "max", "average_min", "average_max")
_QUANTILES = {"p0_1": 0.001, "p99_9": 0.999}


@click.command("ranges", cls=Command)
@click.argument("file")
@method_options("The method whose scale and zero point are shown.")
@click.option("--plot", metavar="FILE.png", help="Draw the distributions.")
@click.option("--compare", metavar="OTHER", help="Show how far the ends are in another file, in "
              "int8 steps, the largest difference first.")  # fmt: skip
def ranges(file: str, method: dict[str, Any], plot: str | None, compare: str | None) -> Result:
    """Show recorded ranges: a table, a plot, the drift against others.

    For each tensor: its extremes, the averages of each sample's extremes, quantiles, the share of
    zeros, how many values were NaN and infinite, and the scale and zero point that int8 gets from
    the range alone. A converter fixes those of some outputs, such as softmax's, and shares one
    among inputs and outputs of others, such as pooling.

    \b
        quantline ranges ranges.json --method percentile --plot ranges.png
        quantline ranges ranges.json --compare after_retraining.json
    """  # noqa: D301 - click's mark for lines that stay as they are
    if plot is not None:
        check_outputs([Path(plot)], [file, compare], suffix=".png")
    from quantline.ranges import RangeSet, drift

    recorded = RangeSet.load(file)
    by = METHODS[method["method"]].with_values(method)
    chosen = {tensor.index: _chosen(tensor, by) for tensor in recorded.tensors}
    moved = () if compare is None else drift(recorded, RangeSet.load(compare))
    tensors = [_facts(tensor, chosen[tensor.index]) for tensor in recorded.tensors]
    if plot is not None:
        from quantline.commands.draw import draw_ranges

        title = f"{file}: {recorded.samples} samples"
        picture = draw_ranges(recorded.tensors, chosen, title, by.name)
        write_together({Path(plot): picture}, force=True)
    values: dict[str, Any] = {
        "file": file,
        "samples": recorded.samples,
        "float_model_sha256": recorded.float_model_sha256,
        "method": by.name,
        "tensors": tensors,
        "written": [] if plot is None else [plot],
    }
    if compare is not None:
        values["drift"] = [asdict(drift) for drift in moved]
    text = "\n".join(
        [
            f"{len(tensors)} tensors, {recorded.samples} samples, float model "
            f"{recorded.float_model_sha256[:12]}; scale and zero point by {by.name}",
            "",
            _table(tensors, moved),
            *([] if plot is None else ["", f"drawn: {plot}"]),
        ]
    )
    return Result(text, values)


def _chosen(tensor: TensorRange, method: ChosenMethod) -> Bounds | None:
    """Return a tensor's range; None where no finite value was seen."""
    from quantline.ranges.choose import bounds

    return bounds(tensor, method) if tensor.min <= tensor.max else None


def int8_steps(low: float, high: float) -> tuple[float, int] | None:
    """Return the scale and the zero point that int8 gets for a range; None for a range of zeros.

    The range is widened to hold zero; the zero point is rounded to a whole number.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    scale = (high - low) / 255
    if not scale:
        return None
    return scale, min(127, max(-128, math.floor(-128 - low / scale + 0.5)))


def _facts(tensor: TensorRange, chosen: tuple[float, float] | None) -> dict[str, Any]:
    steps = None if chosen is None else int8_steps(*chosen)
    is_seen = tensor.min <= tensor.max
    has_sketch = tensor.sketch.total > 0
    return {
        **{name: getattr(tensor, name) for name in ("index", "name", "count", "nan", "inf")},
        **{name: getattr(tensor, name) if is_seen else None for name in _ENDS},
        **{
            # A bin reaches a little past the extremes.
            name: min(max(tensor.sketch.quantile(share), tensor.min), tensor.max)
            if has_sketch
            else None
            for name, share in _QUANTILES.items()
        },
        "zero_share": tensor.sketch.zero_share if has_sketch else None,
        "chosen_min": None if chosen is None else chosen[0],
        "chosen_max": None if chosen is None else chosen[1],
        "scale": None if steps is None else steps[0],
        "zero_point": None if steps is None else steps[1],
    }


def _table(tensors: Sequence[dict[str, Any]], moved: Iterable[Drift]) -> str:
    rows = {tensor["index"]: _row(tensor) for tensor in tensors}
    headings = ["", "min", "max", "avg min", "avg max", "p0.1", "p99.9", "zeros",
                "NaN/Inf", "scale", "zero pt", "tensor"]  # fmt: skip
    moved = list(moved)
    if not moved:
        return table(headings, rows.values())
    headings[1:1] = ["min moved", "max moved"]
    return table(
        headings,
        [
            [rows[drift.index][0], f"{drift.min_steps:+z.1f}", f"{drift.max_steps:+z.1f}",
             *rows[drift.index][1:]]
            for drift in moved
        ],
    )  # fmt: skip


def _row(facts: dict[str, Any]) -> list[str]:
    def number(key: str) -> str:
        return "-" if facts[key] is None else f"{facts[key]:.4g}"

    return [
        f"{facts['index']}",
        *(number(key) for key in (*_ENDS, *_QUANTILES)),
        "-" if facts["zero_share"] is None else f"{100 * facts['zero_share']:.1f}%",
        f"{facts['nan']}/{facts['inf']}" if facts["nan"] or facts["inf"] else "0",
        number("scale"),
        "-" if facts["zero_point"] is None else f"{facts['zero_point']}",
        facts["name"],
    ]
