"""Wiring of the ``release`` stage: every result in, a run and a registered version out."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node, pipeline

from quantline.pipelines.release.nodes import release
from quantline.release.recheck import CHECKED

# The results of a run that become artifacts of its record.
RECORDED = (
    "manifest",
    "float_import",
    "float_predictions",
    "preflight_report",
    "ranges",
    "calibration_lint",
    "calibration_report",
    "int8_model",
    "recipe",
    "golden_vectors",
    "validation_report",
    "golden_report",
    "kernels_report",
    "layers_report",
    "int8_predictions",
    "comparison",
    "edgetpu_report",
    "edgetpu_latency",
    "edgetpu_model",
    "edgetpu_compilation",
    "edgetpu_predictions",
    "edgetpu_run",
    "gate",
    "summary",
    "summary_plot",
)


def create_pipeline() -> Pipeline:
    """Build the pipeline."""
    results = {name: name for name in (*RECORDED, *CHECKED)}
    results["verdict"] = results.pop("gate")
    parameters = {name: f"params:{name}" for name in ("gate", "validation", "dataset")}
    inputs = {"parameters": "parameters", "project": "project", **parameters, **results}
    return pipeline([node(release, inputs, "release", name="release")], tags="release")
