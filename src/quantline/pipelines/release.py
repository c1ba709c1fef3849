"""The ``release`` stage: every result in, a run and a registered version out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kedro.pipeline import Pipeline, node, pipeline

from quantline import recipe
from quantline.release.champion import check_unchanged
from quantline.release.provenance import check_name, parameters_of
from quantline.release.recheck import CHECKED, recheck
from quantline.release.registry import Registry
from quantline.release.release import release as release_candidate
from quantline.release.tracking import connect

if TYPE_CHECKING:
    from quantline.release.tracking import Project


def release(
    parameters: dict[str, Any],
    gate: dict[str, Any],
    validation: dict[str, Any],
    dataset: dict[str, Any],
    task: dict[str, Any],
    project: Project,
    **results: Any,
) -> dict[str, Any]:
    """Check the verdict, record everything, and register the candidate if it passed its gate.

    Args:
        parameters: All parameters; those of the release itself count.
        gate: The rules that the candidate must keep.
        validation: The target that it must keep.
        dataset: Where its examples are.
        task: The meaning of its outputs.
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
        recipe.check(recipe.Task, task).chosen(),
    )
    store = connect(project)
    check_unchanged(Registry(store.client, results["verdict"]["model"]), results["champion"])
    made_with = parameters_of(project.files, parameters["release"])
    return release_candidate(store, project, made_with, settings)


# The results of a run that become artifacts of its record.
RECORDED = (
    "manifest",
    "float_import",
    "float_predictions",
    "preflight_report",
    "ranges",
    "calibration_lint",
    "calibration_report",
    "int8_model",
    "recipe",
    "golden_vectors",
    "validation_report",
    "golden_report",
    "kernels_report",
    "layers_report",
    "int8_predictions",
    "comparison",
    "edgetpu_report",
    "edgetpu_latency",
    "edgetpu_model",
    "edgetpu_compilation",
    "edgetpu_predictions",
    "edgetpu_run",
    "gate",
    "summary",
    "summary_plot",
)


def create_pipeline() -> Pipeline:
    """Build the pipeline."""
    results = {name: name for name in (*RECORDED, *CHECKED)}
    results["verdict"] = results.pop("gate")
    parameters = {name: f"params:{name}" for name in ("gate", "validation", "dataset", "task")}
    inputs = {"parameters": "parameters", "project": "project", **parameters, **results}
    return pipeline([node(release, inputs, "release", name="release")], tags="release")
