"""Wiring of the ``training`` stage: data in, a trained float model out."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node, pipeline

from quantline.pipelines.training.nodes import train_model


def create_pipeline() -> Pipeline:
    """Build the pipeline."""
    return pipeline(
        [
            node(
                train_model,
                ["params:dataset", "params:training", "project"],
                ["trained_model", "training_report"],
                name="train_model",
            )
        ],
        tags="training",
    )
