"""Wiring of the ``gate`` stage: candidate and champion in, one verdict out."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node, pipeline

from quantline.pipelines.gate.nodes import judge_all, predict_champion, time_champion
from quantline.release.gate import JUDGED, REPORTS


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
                judge_all,
                {"gate": "params:gate", **{name: name for name in (*JUDGED, *REPORTS)}},
                "gate",
                name="judge_candidate",
            ),
        ],
        tags="gate",
    )
