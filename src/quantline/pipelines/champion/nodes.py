"""Nodes of the ``champion`` stage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quantline import recipe
from quantline.release import Registry, connect, fetch

if TYPE_CHECKING:
    from quantline.release import Project

# What the gate compares a candidate with, by the names of the artifacts of a run.
FILES = ("int8.tflite", "int8_predictions.parquet", "manifest.json", "ranges.json")


def fetch_champion(
    project: Project, release: dict[str, Any], model: dict[str, Any]
) -> dict[str, bytes]:
    """Fetch the model that is out, and what it was judged by; nothing if there is none."""
    name = recipe.check(recipe.Release, release).name(recipe.check(recipe.Model, model))
    return fetch(Registry(connect(project).client, name), FILES)
