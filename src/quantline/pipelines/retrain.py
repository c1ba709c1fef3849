"""The pipeline ``retrain``: the chain with a model that is trained first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kedro.pipeline import Pipeline, node, pipeline

from quantline import recipe
from quantline.errors import ParameterError
from quantline.files import check_writable
from quantline.pipelines.baseline import import_model
from quantline.pipelines.training import trained_file
from quantline.release.champion import fetch_trained
from quantline.release.registry import Registry
from quantline.release.tracking import connect
from quantline.sampling import CalibrationSet
from quantline.training import (
    Prepared,
    fit,
    prepare,
    refuse_another_network,
    refuse_other_examples,
)

if TYPE_CHECKING:
    import numpy as np

    from quantline.release.tracking import Project


def check_retraining(
    dataset: dict[str, Any],
    training: dict[str, Any],
    release: dict[str, Any],
    model: dict[str, Any],
    limits: dict[str, Any],
    project: Project,
) -> Prepared:
    """Prepare a training, if it can make the next version of the model that is named.

    A model that is trained anew is of the embedded network: so must be the one at 'model.path'.

    Raises:
        QuantlineError: It cannot: the model, the champion, the dataset or the place of the result.
    """
    named, trained = recipe.check(recipe.Model, model), trained_file(project)
    if (project.folder / named.path).resolve() == trained.resolve():
        raise ParameterError(
            "'model.path' is the file that a training overwrites",
            found=f"'{named.path}'",
            expected="a model in a file of its own, whose name the next versions get",
            remedy="Copy the file to another name, and set 'model.path' to the copy",
        )
    check_writable(trained)
    data, settings = recipe.check(recipe.Dataset, dataset), recipe.check(recipe.Training, training)
    if settings.start == "champion":
        name = recipe.check(recipe.Release, release).name(named)
        return prepare(data, settings, fetch_trained(Registry(connect(project).client, name)))
    prepared = prepare(data, settings)
    refuse_another_network(named.path, prepared.model, recipe.check(recipe.Limits, limits))
    return prepared


def retrain_model(
    dataset: dict[str, Any],
    training: dict[str, Any],
    release: dict[str, Any],
    model: dict[str, Any],
    limits: dict[str, Any],
    project: Project,
    manifest: dict[str, Any],
    calibration_set: dict[str, np.ndarray],
) -> tuple[bytes, dict[str, Any]]:
    """Train anew, or on from the champion's weights; return a ``.keras`` file, and how."""
    prepared = check_retraining(dataset, training, release, model, limits, project)
    data = recipe.check(recipe.Dataset, dataset)
    refuse_other_examples(
        prepared.split, prepared.classes, data, manifest, CalibrationSet.of(calibration_set).x
    )
    trained = fit(prepared, recipe.check(recipe.Training, training))
    return trained.content, trained.about


def import_trained(
    model: dict[str, Any],
    baseline: dict[str, Any],
    calibration_set: dict[str, np.ndarray],
    manifest: dict[str, Any],
    trained_model: bytes,
    training_report: dict[str, Any],
    limits: dict[str, Any],
    project: Project,
) -> tuple[bytes, dict[str, Any]]:
    """Import the model that this run trained, under the name of the one at 'model.path'.

    Args:
        model: The model that is retrained.
        baseline: How the import is checked.
        calibration_set: The examples that it is checked on.
        manifest: The labels that it must have.
        trained_model: What the training gave; it is imported from its file, which is recorded.
        training_report: How it was trained, which goes on with the imported model.
        limits: What the import may take.
        project: The project, which names the file.
    """
    path = trained_file(project)
    if path.is_relative_to(project.folder):
        path = path.relative_to(project.folder)
    trained = {**model, "path": str(path), "signature": None}
    content, about = import_model(trained, baseline, calibration_set, manifest, limits)
    name = recipe.check(recipe.Model, model).name
    return content, {**about, "name": name, "training": training_report}


# What is checked before any node runs, and once more by the node that trains.
CHECKED = (
    "params:dataset",
    "params:training",
    "params:release",
    "params:model",
    "params:limits",
    "project",
)


def create_pipeline(chain: Pipeline) -> Pipeline:
    """Build the pipeline.

    Args:
        chain: What a trained model goes through, from sampling to release.
    """
    training = pipeline(
        [
            node(
                retrain_model,
                [*CHECKED, "manifest", "calibration_set"],
                ["trained_model", "training_report"],
                name="retrain_model",
            )
        ],
        tags="training",
    )
    imported = pipeline(
        [
            node(
                import_trained,
                [
                    "params:model",
                    "params:baseline",
                    "calibration_set",
                    "manifest",
                    "trained_model",
                    "training_report",
                    "params:limits",
                    "project",
                ],
                ["float_model", "float_import"],
                name="import_trained",
            )
        ],
        tags="baseline",
    )
    return training + imported + (chain - chain.only_nodes("import_model"))
