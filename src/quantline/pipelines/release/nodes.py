"""Nodes of the ``release`` stage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quantline import recipe
from quantline.release.champion import check_unchanged
from quantline.release.origin import check_name, parameters_of
from quantline.release.recheck import recheck
from quantline.release.registry import Registry
from quantline.release.release import release as release_candidate
from quantline.release.tracking import connect

if TYPE_CHECKING:
    from quantline.release.project import Project


def release(
    parameters: dict[str, Any],
    gate: dict[str, Any],
    validation: dict[str, Any],
    dataset: dict[str, Any],
    project: Project,
    **results: Any,
) -> dict[str, Any]:
    """Check the verdict, record everything, and register the candidate if it passed its gate.

    Args:
        parameters: All parameters; those of the release itself count.
        gate: The rules that the candidate must keep.
        validation: The target that it must keep.
        dataset: Where its examples are.
        project: The project, which names the files.
        results: What is in the files, by their names in the catalog.
    """
    settings = recipe.check(recipe.Release, parameters["release"])
    check_name(results["verdict"], settings, results["float_import"]["name"])
    recheck(
        {**results, "gate": results["verdict"]},
        recipe.check(recipe.Gate, gate),
        recipe.check(recipe.Validation, validation),
        recipe.check(recipe.Dataset, dataset),
    )
    store = connect(project)
    check_unchanged(Registry(store.client, results["verdict"]["model"]), results["champion"])
    made_with = parameters_of(project.files, parameters["release"])
    return release_candidate(store, project, made_with, settings)
