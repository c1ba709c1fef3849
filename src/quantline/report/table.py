"""The summary and the comparison of schemes as tables on the terminal."""

from __future__ import annotations

import io
import sys
from math import floor, log10
from typing import TYPE_CHECKING, Any, NamedTuple

from quantline.error_output import discard_output, output_not_printed
from quantline.tasks import DEFAULT, TASKS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import RenderableType
    from rich.table import Table


class Shown(NamedTuple):
    """A metric as a table shows it.

    Attributes:
        name: Its key in the scores.
        label: Its name in tables.
        is_share: True if it is shown in per cent.
    """

    name: str
    label: str
    is_share: bool


def _interval(values: Sequence[float], unit: str = "", sign: str = "") -> str:
    value, low, high = values
    wider = max(high - value, value - low)
    # Two digits of an uncertainty are meaningful, and of the value as many decimals.
    digits = 2 if wider <= 0 else max(0, 1 - floor(log10(wider)))
    # The option z: a change that rounds to nothing is +0.0, not -0.0.
    return f"{value:{sign}z.{digits}f} ± {wider:.{digits}f}{unit}"


def percent(values: Mapping[str, Any], key: str) -> str:
    """Return a share and its interval in per cent; ``key``, ``key_low`` and ``key_high``."""
    return _interval([100 * values[name] for name in (key, f"{key}_low", f"{key}_high")], " %")


def points(values: Mapping[str, Any], key: str) -> str:
    """Return a drop in points and its interval as a change, with its sign."""
    # A drop is float minus int8; the column reads int8 against float.
    change = [-values[name] for name in (key, f"{key}_high", f"{key}_low")]
    return _interval(change, " points", "+")


def decimal(values: Mapping[str, Any], key: str) -> str:
    """Return a number and its interval."""
    return _interval([values[name] for name in (key, f"{key}_low", f"{key}_high")])


def change_text(values: Mapping[str, Any], metric: Shown) -> str:
    """Return the change of a metric and its interval with its sign; empty where none is known."""
    if f"{metric.name}_drop_points" in values:
        return points(values, f"{metric.name}_drop_points")
    key = f"{metric.name}_change"
    if key not in values:
        return ""
    change = [values[name] for name in (key, f"{key}_low", f"{key}_high")]
    if metric.is_share:
        return _interval([100 * value for value in change], " points", "+")
    return _interval(change, sign="+")


def shown_metrics(scores: Mapping[str, Any]) -> list[Shown]:
    """Return the metrics of a model's scores in the order in which they are shown.

    Args:
        scores: The scores of one model, as :func:`quantline.evaluation.evaluate` gives them.
    """
    task = TASKS[scores.get("task", DEFAULT.name)]
    scored = [name for name in scores if f"{name}_low" in scores and f"{name}_high" in scores]
    values = {parameter.name: parameter.default for parameter in task.parameters}
    known = task.metrics(values, [*scored, "label"])  # some metrics are there with labels alone
    return [
        Shown(metric.name, metric.label, metric.is_share)
        for metric in known
        if metric.name in scored
    ]


def summary_table(summary: dict[str, Any], manifest: dict[str, Any]) -> Table:
    """Build the table of a summary."""
    dataset = manifest["dataset"]
    name = " ".join(str(part) for part in (dataset["name"], dataset["version"]) if part)
    table = _titled(
        f"{name}: {len(manifest['evaluation']['examples']):,} examples of "
        f"'{manifest['evaluation']['split']}', calibrated on "
        f"{len(manifest['calibration']['examples'])} of '{manifest['calibration']['split']}'",
        "±: the wider side of the 95 % interval; in brackets: 10th and 90th percentile.",
        ("", "float", "int8", "change", "evidence"),
    )
    for row in summary_rows(summary):
        table.add_row(*row)
    return table


def summary_rows(summary: Mapping[str, Any]) -> list[tuple[str, str, str, str, str]]:
    """Return the rows of a summary: what, of float, of int8, the change, the evidence."""
    first, second = summary["float"], summary["int8"]
    change, proof, edge = summary["comparison"], summary["integer_only"], summary["edgetpu"]
    rows = []
    for metric in shown_metrics(first):
        text = percent if metric.is_share else decimal
        both = text(first, metric.name), text(second, metric.name)
        rows.append((metric.label, *both, change_text(change, metric), "measured"))
    if "agreement" in change:
        rows.append(("same top-1", "", "", percent(change, "agreement"), "measured"))
    sizes = size_text(first["size_bytes"]), size_text(second["size_bytes"])
    rows.append(("size", *sizes, f"{change['size_ratio']:.1f}x smaller", "measured"))
    ratio, low, high = (change[f"speed_ratio{end}"] for end in ("", "_low", "_high"))
    faster = f"{ratio:.1f}x as fast [{low:.1f}, {high:.1f}]"
    rows.append(("latency, CPU", _latency(first), _latency(second), faster, "measured"))
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
        for metric in shown_metrics(edge)[:1]:
            agreement = edge.get("top1_agreement")
            same = "" if agreement is None else f"{agreement:.2%} as on the CPU"
            text = (percent if metric.is_share else decimal)(edge, metric.name)
            rows.append((f"  {metric.label}", "", text, same, "measured"))
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


def schemes_table(compared: dict[str, Any], manifest: dict[str, Any]) -> Table:
    """Build the table of a comparison of schemes, ``float`` first."""
    evaluation = manifest["evaluation"]
    metric = next(iter(shown_metrics(compared["float"])), Shown("", "accuracy", True))
    label = f"{metric.label}, %" if metric.is_share else metric.label
    table = _titled(
        f"{manifest['dataset']['name']}: {len(evaluation['examples']):,} examples of "
        f"'{evaluation['split']}', ranges of {len(manifest['calibration']['examples'])}; all "
        "measured, operators parsed",
        "±: the wider side of the 95 % interval, paired for the change; latency: median.",
        ("scheme", label, "change, points" if metric.is_share else "change", "as float, %", "size",
         "smaller", "CPU, ms", "as fast", "float operators", "outputs, dB"),
    )  # fmt: skip
    for scheme, values in compared.items():
        table.add_row(*_row(scheme, values, metric))
    return table


def _row(scheme: str, values: dict[str, Any], metric: Shown) -> tuple[str, ...]:
    is_float = scheme == "float"
    text = percent if metric.is_share else decimal
    accuracy = text(values, metric.name).removesuffix(" %") if metric.name in values else ""
    change = change_text(values, metric).removesuffix(" points")
    compared = (
        change,
        percent(values, "agreement").removesuffix(" %") if "agreement" in values else "",
        f"{values['size_ratio']:.1f}x",
        f"{values.get('speed_ratio', 1):.2g}x",
    )
    change, same, smaller, faster = ("",) * 4 if is_float else compared
    latency = f"{float(format(values['latency_ms_p50'], '.2g')):g}"  # two digits, no exponent
    floats = f"{values['float_operators']} of {values['operators']}"
    size = size_text(values["size_bytes"])
    noise = "" if is_float else _worst_output(values["recipe"]["measured"])
    return scheme, accuracy, change, same, size, smaller, latency, faster, floats, noise


def _worst_output(measured: dict[str, Any]) -> str:
    """Return the signal to quantization noise of the worst output, or before its SOFTMAX."""
    compared = [output["before"] or output for output in measured["outputs"] or ()]
    ratios = [output["sqnr_db"] for output in compared if output["sqnr_db"] is not None]
    lost = any(output["verdict"] == "lost" for output in measured["outputs"] or ())
    return ("lost" if lost else f"{min(ratios):.1f}") if ratios else ""


def _titled(title: str, caption: str, headings: Sequence[str]) -> Table:
    """Return an empty table."""
    from rich import box
    from rich.table import Table

    table = Table(
        title=title, title_justify="left", title_style="bold", caption=caption,
        caption_justify="left", box=box.SIMPLE_HEAD,
    )  # fmt: skip
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def print_results(table: RenderableType, *texts: str, width: int) -> None:
    """Print a table on the standard output, and texts below it.

    A closed pipe, as ``head`` leaves it, is no error: results are still to be written.

    Args:
        table: The table.
        texts: Lines that are neither coloured nor broken.
        width: In characters, where the output is no terminal, which has a width of its own.
    """
    from rich.console import Console

    terminal, printed = Console(), io.StringIO()
    is_terminal = terminal.is_terminal
    # Rich ends the process with 1 where a pipe is closed, which says that a model is refused.
    console = Console(
        file=printed, force_terminal=is_terminal, width=terminal.width if is_terminal else width
    )
    console.print(table)
    for text in texts:
        console.print(text, markup=False, highlight=False, soft_wrap=True)
    try:
        sys.stdout.write(printed.getvalue())
        sys.stdout.flush()
    except BrokenPipeError:
        discard_output(sys.stdout)
    except OSError as error:
        discard_output(sys.stdout)
        raise output_not_printed(error) from error
