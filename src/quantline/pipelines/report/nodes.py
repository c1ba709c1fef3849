"""Nodes of the ``report`` stage."""

from __future__ import annotations

from typing import Any

from quantline.release.gate import gate_text
from quantline.report import draw_summary, summarize, summary_table


def write_summary(
    float_metrics: dict[str, Any],
    int8_metrics: dict[str, Any],
    comparison: dict[str, Any],
    latency: dict[str, Any],
    integer_only: dict[str, Any],
    edgetpu_report: dict[str, Any],
    edgetpu_latency: dict[str, Any],
    edgetpu_compilation: dict[str, Any],
    edgetpu_run: dict[str, Any],
    gate: dict[str, Any],
    manifest: dict[str, Any],
) -> tuple[dict[str, Any], bytes]:
    """Put the results together, print them as a table and draw them."""
    from rich.console import Console

    edgetpu = {
        "report": edgetpu_report,
        "latency": edgetpu_latency,
        "compilation": edgetpu_compilation,
        "run": edgetpu_run,
    }
    summary = summarize(
        float_metrics, int8_metrics, comparison, latency, integer_only, edgetpu, gate
    )
    console = Console()
    # A pipe has no width of its own, and the table is worth more than rich's 80 columns there.
    console = console if console.is_terminal else Console(width=100)
    console.print(summary_table(summary, manifest))
    console.print(gate_text(gate), markup=False, highlight=False, soft_wrap=True)
    return summary, draw_summary(summary)
