"""The ``training`` stage: data in, a trained float model out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kedro.pipeline import Pipeline, node, pipeline

from quantline import recipe
from quantline.files import check_writable
from quantline.training import fit, prepare

if TYPE_CHECKING:
    from pathlib import Path

    from quantline.release.tracking import Project


def train_model(
    dataset: dict[str, Any], training: dict[str, Any], project: Project
) -> tuple[bytes, dict[str, Any]]:
    """Train the embedded network; return it as a ``.keras`` file, and how it was trained."""
    check_writable(trained_file(project))
    settings = recipe.check(recipe.Training, training)
    trained = fit(prepare(recipe.check(recipe.Dataset, dataset), settings), settings)
    return trained.content, trained.about


def trained_file(project: Project) -> Path:
    """Return the file that a training writes."""
    assert project.trained is not None  # noqa: S101 - a run's project always names it
    return project.trained


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
