"""Wiring of the ``gate`` stage: candidate and champion in, one verdict out."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node, pipeline

from quantline.pipelines.gate.nodes import judge_candidate, predict_champion, time_champion

# What limits of metrics may name.
REPORTS = (
    "recipe",
    "float_metrics",
    "int8_metrics",
    "comparison",
    "latency",
    "integer_only",
    "golden_report",
    "edgetpu_report",
    "edgetpu_latency",
    "edgetpu_compilation",
    "edgetpu_run",
)
JUDGED = (
    "champion",
    "champion_predictions",
    "champion_latency",
    "manifest",
    "int8_model",
    "ranges",
    "float_predictions",
    "int8_predictions",
)


def create_pipeline() -> Pipeline:
    """Build the pipeline."""
    return pipeline(
        [
            node(
                predict_champion,
                ["champion", "int8_model", "manifest", "params:dataset"],
                "champion_predictions",
                name="predict_champion",
            ),
            node(
                time_champion,
                ["champion", "int8_model", "calibration_set", "params:evaluation"],
                "champion_latency",
                name="time_champion",
            ),
            node(
                judge_candidate,
                {"gate": "params:gate", **{name: name for name in (*JUDGED, *REPORTS)}},
                "gate",
                name="judge_candidate",
            ),
        ],
        tags="gate",
    )
