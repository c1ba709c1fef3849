"""Wiring of the ``report`` stage: every result in, one summary out."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node, pipeline

from quantline.pipelines.report.nodes import write_summary


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
