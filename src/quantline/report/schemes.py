"""All schemes in one table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quantline.report.rounding import percent, points
from quantline.report.table import size_text

if TYPE_CHECKING:
    from rich.table import Table


def schemes_table(compared: dict[str, Any], manifest: dict[str, Any]) -> Table:
    """Build the table.

    Args:
        compared: For each scheme, ``float`` first, its scores, its paired comparison with float,
            its size, latency and recipe.
        manifest: The manifest of the examples.
    """
    from rich import box
    from rich.table import Table

    evaluation = manifest["evaluation"]
    table = Table(
        title=f"{manifest['dataset']['name']}: {len(evaluation['examples']):,} examples of "
        f"'{evaluation['split']}', ranges of {len(manifest['calibration']['examples'])}; all "
        "measured, operators parsed",
        title_justify="left",
        title_style="bold",
        caption="±: the wider side of the 95 % interval, paired for the change; latency: median.",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
    )
    headings = ("scheme", "top-1, %", "change, points", "as float, %", "size", "smaller", "CPU, ms",
                "as fast", "float operators", "outputs, dB")  # fmt: skip
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for scheme, values in compared.items():
        table.add_row(*_row(scheme, values))
    return table


def _row(scheme: str, values: dict[str, Any]) -> tuple[str, ...]:
    is_float = scheme == "float"
    top1 = percent(values, "top1").removesuffix(" %") if "top1" in values else ""
    change = points(values, "top1_drop_points").removesuffix(" points") if top1 else ""
    compared = (
        change,
        percent(values, "agreement").removesuffix(" %"),
        f"{values['size_ratio']:.1f}x",
        f"{values.get('speed_ratio', 1):.2g}x",
    )
    change, same, smaller, faster = ("",) * 4 if is_float else compared
    latency = f"{float(format(values['latency_ms_p50'], '.2g')):g}"  # two digits, no exponent
    floats = f"{values['float_operators']} of {values['operators']}"
    size = size_text(values["size_bytes"])
    noise = "" if is_float else _outputs(values["recipe"]["measured"])
    return scheme, top1, change, same, size, smaller, latency, faster, floats, noise


def _outputs(measured: dict[str, Any]) -> str:
    """Return the signal to quantization noise of the worst output, or before its SOFTMAX."""
    compared = [output["before"] or output for output in measured["outputs"] or ()]
    ratios = [output["sqnr_db"] for output in compared if output["sqnr_db"] is not None]
    lost = any(output["verdict"] == "lost" for output in measured["outputs"] or ())
    return ("lost" if lost else f"{min(ratios):.1f}") if ratios else ""
