"""The ``training`` stage: data in, a trained float model out."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from kedro.pipeline import Pipeline, node, pipeline

from quantline import recipe
from quantline.files import check_writable
from quantline.training import OwnTraining, fit, prepare

if TYPE_CHECKING:
    from pathlib import Path

    from quantline.release.tracking import Project
    from quantline.training import Content


def train_model(
    dataset: dict[str, Any], training: dict[str, Any], project: Project
) -> tuple[Content, dict[str, Any]]:
    """Train the embedded network or, with the user's own training, any; return it, and how."""
    check_writable(trained_file(project))
    data, settings = recipe.check(recipe.Dataset, dataset), recipe.check(recipe.Training, training)
    if settings.trainer is not None:
        trained = OwnTraining.prepare(data, settings).train(log_file(project))
    else:
        trained = fit(prepare(data, settings), settings)
    return trained.content, trained.about


def trained_file(project: Project) -> Path:
    """Return the file that a training writes, where its model is a Keras file."""
    assert project.trained is not None  # noqa: S101 - a run's project always names it
    return project.trained.with_suffix(".keras")


def log_file(project: Project) -> Path:
    """Return the file for what a training of the user's writes from now on."""
    now = time.strftime("%Y-%m-%dT%H-%M-%SZ", time.gmtime())
    return project.folder / "logs" / f"training-{now}.log"


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
