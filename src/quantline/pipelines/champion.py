"""The ``champion`` stage: the registry in, the files of its champion out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kedro.pipeline import Pipeline, node, pipeline

from quantline import recipe
from quantline.files import canonical_json
from quantline.release.champion import fetch
from quantline.release.gate import VERSION
from quantline.release.registry import Registry
from quantline.release.tracking import connect

if TYPE_CHECKING:
    from quantline.release.tracking import Project


# What the gate compares a candidate with, by the names of the artifacts of a run.
FILES = ("int8.tflite", "int8_predictions.parquet", "manifest.json", "ranges.json")


def fetch_champion(
    project: Project, release: dict[str, Any], float_import: dict[str, Any]
) -> dict[str, bytes]:
    """Fetch the champion and what it was judged by; without a champion, only the model's name."""
    name = recipe.check(recipe.Release, release).model or float_import["name"]
    found = fetch(Registry(connect(project).client, name), FILES)
    return found or {VERSION: canonical_json({"model": name, "version": None})}


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
