"""The ``report`` stage: every result in, one summary out."""

from __future__ import annotations

import os
from dataclasses import fields
from typing import Any

from kedro.pipeline import Pipeline, node, pipeline

from quantline.arguments import translate
from quantline.errors import Finding
from quantline.release.gate import gate_text
from quantline.report import draw_summary, key_figures, print_results, summarize, summary_table

VARIABLE = "QUANTLINE_ALL_RULES"
"""The environment variable that, set to 1, has every rule of the gate printed."""


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
    recipe: dict[str, Any],
    manifest: dict[str, Any],
) -> tuple[dict[str, Any], dict[str, float | bool], bytes]:
    """Put the results together, print them as a table and draw them."""
    edgetpu = {
        "report": edgetpu_report,
        "latency": edgetpu_latency,
        "compilation": edgetpu_compilation,
        "run": edgetpu_run,
    }
    summary = summarize(
        float_metrics, int8_metrics, comparison, latency, integer_only, edgetpu, gate, recipe
    )
    # The table is worth more than rich's 80 columns.
    names = [field.name for field in fields(Finding)]
    noticed = [
        f"warning: {Finding(**{name: finding[name] for name in names})}"
        for finding in float_metrics.get("findings", ())
    ]
    verdict = gate_text(gate, every_rule=os.environ.get(VARIABLE) == "1")
    texts = (translate(text) for text in (*noticed, verdict))
    print_results(summary_table(summary, manifest), *texts, width=100)
    return summary, key_figures(summary), draw_summary(summary)


def create_pipeline() -> Pipeline:
    """Build the pipeline."""
    return pipeline(
        [
            node(
                write_summary,
                [
                    "float_metrics",
                    "int8_metrics",
                    "comparison",
                    "latency",
                    "integer_only",
                    "edgetpu_report",
                    "edgetpu_latency",
                    "edgetpu_compilation",
                    "edgetpu_run",
                    "gate",
                    "recipe",
                    "manifest",
                ],
                ["summary", "key_figures", "summary_plot"],
                name="write_summary",
            )
        ],
        tags="report",
    )
