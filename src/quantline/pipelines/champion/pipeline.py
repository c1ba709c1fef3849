"""Wiring of the ``champion`` stage: the registry in, the files of its champion out."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node, pipeline

from quantline.pipelines.champion.nodes import fetch_champion


def create_pipeline() -> Pipeline:
    """Build the pipeline."""
    return pipeline(
        [
            node(
                fetch_champion,
                ["project", "params:release", "float_import"],
                "champion",
                name="fetch_champion",
            )
        ],
        tags="champion",
    )
