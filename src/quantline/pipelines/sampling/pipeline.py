"""Wiring of the ``sampling`` stage: a dataset in, two sets of examples and a manifest out."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node, pipeline

from quantline.pipelines.sampling.nodes import draw_examples


def create_pipeline() -> Pipeline:
    """Build the pipeline."""
    return pipeline(
        [
            node(
                draw_examples,
                ["params:dataset", "params:sampling"],
                ["manifest", "calibration_set"],
                name="draw_examples",
            )
        ],
        tags="sampling",
    )
