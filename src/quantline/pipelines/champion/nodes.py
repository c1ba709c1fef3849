"""Nodes of the ``champion`` stage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quantline import recipe
from quantline.files import canonical_json
from quantline.release.champion import fetch
from quantline.release.gate import VERSION
from quantline.release.registry import Registry
from quantline.release.tracking import connect

if TYPE_CHECKING:
    from quantline.release.project import Project

# What the gate compares a candidate with, by the names of the artifacts of a run.
FILES = ("int8.tflite", "int8_predictions.parquet", "manifest.json", "ranges.json")


def fetch_champion(
    project: Project, release: dict[str, Any], float_import: dict[str, Any]
) -> dict[str, bytes]:
    """Fetch the model that is out, and what it was judged by; without one, only its name."""
    name = recipe.check(recipe.Release, release).model or float_import["name"]
    found = fetch(Registry(connect(project).client, name), FILES)
    return found or {VERSION: canonical_json({"model": name, "version": None})}
