"""Nodes of the pipeline ``retrain``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quantline import recipe
from quantline.release import Registry, connect, fetch_trained
from quantline.training import train

if TYPE_CHECKING:
    from quantline.release import Project


def retrain_model(
    dataset: dict[str, Any],
    training: dict[str, Any],
    release: dict[str, Any],
    model: dict[str, Any],
    project: Project,
) -> bytes:
    """Train anew, or on from the champion's weights, and return a ``.keras`` file."""
    settings = recipe.check(recipe.Training, training)
    start = None
    if settings.start == "champion":
        name = recipe.check(recipe.Release, release).name(recipe.check(recipe.Model, model))
        start = fetch_trained(Registry(connect(project).client, name))
    return train(recipe.check(recipe.Dataset, dataset), settings, start)
