"""The ``sampling`` stage: a dataset in, two sets of examples and a manifest out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kedro.pipeline import Pipeline, node, pipeline

from quantline import recipe
from quantline.sampling import draw
from quantline.tasks import DEFAULT

if TYPE_CHECKING:
    import numpy as np


def draw_examples(
    dataset: dict[str, Any], sampling: dict[str, Any], task: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Draw the calibration and the evaluation set; return the manifest and the former."""
    manifest, calibration = draw(
        recipe.check(recipe.Dataset, dataset),
        recipe.check(recipe.Sampling, sampling),
        classes=recipe.check(recipe.Task, task).kind == DEFAULT.name,
    )
    return manifest, calibration.arrays()


def create_pipeline() -> Pipeline:
    """Build the pipeline."""
    return pipeline(
        [
            node(
                draw_examples,
                ["params:dataset", "params:sampling", "params:task"],
                ["manifest", "calibration_set"],
                name="draw_examples",
            )
        ],
        tags="sampling",
    )
