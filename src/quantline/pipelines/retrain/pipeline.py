"""Wiring of the training that ``retrain`` begins with: data, and the champion, in; a model out."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node, pipeline

from quantline.pipelines.retrain.nodes import retrain_model


def create_training() -> Pipeline:
    """Build the first part of the pipeline; the rest is the chain."""
    return pipeline(
        [
            node(
                retrain_model,
                ["params:dataset", "params:training", "params:release", "params:model", "project"],
                "trained_model",
                name="retrain_model",
            )
        ],
        tags="training",
    )
