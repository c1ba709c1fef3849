"""Wiring of the ``release`` stage: every result in, a run and a registered version out."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node, pipeline

from quantline.pipelines.release.nodes import release

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
    return pipeline(
        [node(release, ["parameters", "project", *RECORDED], "release", name="release")],
        tags="release",
    )
