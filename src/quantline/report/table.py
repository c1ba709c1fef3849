"""The summary as a table on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quantline.metrics import METRICS
from quantline.report.rounding import decimal, percent, points

if TYPE_CHECKING:
    from rich.table import Table


def summary_table(summary: dict[str, Any], manifest: dict[str, Any]) -> Table:
    """Build the table.

    Args:
        summary: What :func:`quantline.report.summarize` gave.
        manifest: The manifest of the examples.
    """
    from rich import box
    from rich.table import Table

    dataset = manifest["dataset"]
    name = " ".join(str(part) for part in (dataset["name"], dataset["version"]) if part)
    title = (
        f"{name}: {len(manifest['evaluation']['examples']):,} examples of "
        f"'{manifest['evaluation']['split']}', calibrated on "
        f"{len(manifest['calibration']['examples'])} of '{manifest['calibration']['split']}'"
    )
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        caption="±: the wider side of the 95 % interval; in brackets: 10th and 90th percentile.",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
    )
    for heading in ("", "float", "int8", "change", "evidence"):
        table.add_column(heading, overflow="fold")
    for row in _rows(summary):
        table.add_row(*row)
    return table


def _rows(summary: dict[str, Any]) -> list[tuple[str, str, str, str, str]]:
    first, second = summary["float"], summary["int8"]
    change, proof, edge = summary["comparison"], summary["integer_only"], summary["edgetpu"]
    rows = []
    for name, metric in METRICS.items():
        if name in first:
            text = percent if metric.is_share else decimal
            drop = f"{name}_drop_points"
            difference = points(change, drop) if drop in change else ""
            both = text(first, name), text(second, name)
            rows.append((metric.label, *both, difference, "measured"))
    rows.append(("same top-1", "", "", percent(change, "agreement"), "measured"))
    smaller = f"{change['size_ratio']:.1f}x smaller"
    rows.append(
        (
            "size",
            size_text(first["size_bytes"]),
            size_text(second["size_bytes"]),
            smaller,
            "measured",
        )
    )
    rows.append(
        (
            "latency, CPU",
            _latency(first),
            _latency(second),
            f"{change['speed_ratio']:.1f}x as fast [{change['speed_ratio_low']:.1f}, "
            f"{change['speed_ratio_high']:.1f}]",
            "measured",
        )
    )
    if summary["outputs"] is not None:
        rows.append(("outputs", "", *_outputs(summary["outputs"]), "measured"))
    verdict = "yes" if proof["integer_only"] else f"no: {proof['float_operators']} operators float"
    if proof["integer_only"] and proof["interface_operators"]:
        verdict = "inside; float input or output as asked"
    tensors = f"{proof['integer_tensors']} of {proof['tensors']} tensors"
    rows.append(("integer-only", "", verdict, tensors, proof["evidence"]))
    if proof["target"] is not None:
        kept = "kept" if proof["target"]["holds"] else "broken"
        rows.append((f"target {proof['target']['name']}", "", kept, "", proof["evidence"]))
    return rows + _edgetpu(edge)


def _outputs(found: dict[str, Any]) -> tuple[str, str]:
    """Return the distance of the worst output and of its worst channel."""
    if found["sqnr_db"] is None:
        return "as float", ""
    before = "" if found["before"] is None else f", before {found['before']}"
    worst = found["worst_channel_sqnr_db"]
    channel = "" if worst is None else f"channel {found['worst_channel']}: {worst:.1f} dB"
    return f"{found['sqnr_db']:.1f} dB{before}", channel


def _parameters(edge: dict[str, Any]) -> str:
    if edge["parameter_bytes"] is None:
        bounds = (edge["parameter_bytes_low"], edge["parameter_bytes_high"])
        return "unknown, {} to {}".format(*map(size_text, bounds))
    return f"{size_text(edge['cached_bytes'])} cached, {size_text(edge['streamed_bytes'])} streamed"


def _edgetpu(edge: dict[str, Any]) -> list[tuple[str, str, str, str, str]]:
    unknown = f", {edge['unknown_operators']} unknown" if edge["unknown_operators"] else ""
    mapped = f"{edge['mapped_operators']} of {edge['operators']} operators{unknown}"
    memory = _parameters(edge)
    rows = [
        ("Edge TPU", "", mapped, f"runtime {edge['runtime_version']}", edge["evidence"]),
        ("  parameters", "", memory, edge["memory"], edge["memory_evidence"]),
    ]
    if edge["ran"]:
        rows.append(("  latency", "", _latency(edge), edge["device"], "measured"))
        if "top1" in edge:
            same = f"{edge['top1_agreement']:.2%} as on the CPU"
            rows.append(("  top-1", "", percent(edge, "top1"), same, "measured"))
    elif edge["latency_ms_low"] is not None:
        high = edge["latency_ms_high"]
        band = (
            f"{edge['latency_ms_low']:.2g} to " + ("?" if high is None else f"{high:.2g}") + " ms"
        )
        rows.append(("  latency", "", band, "USB 3, desktop", "predicted"))
    return rows


def _latency(values: dict[str, Any]) -> str:
    middle, low, high = (values[f"latency_ms_p{item}"] for item in (50, 10, 90))
    return f"{middle:.2g} ms [{low:.2g}, {high:.2g}]"


def size_text(size_bytes: int) -> str:
    """Return a size in the unit that suits it."""
    return (
        f"{size_bytes / 2**20:.2f} MiB" if size_bytes >= 2**20 else f"{size_bytes / 2**10:.0f} KiB"
    )
