"""The pipeline ``retrain``: the chain with a model that is trained first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.pipeline import Pipeline, node, pipeline

from quantline import recipe
from quantline.errors import ModelUnsupported, ParameterError, QuantlineError
from quantline.files import check_writable
from quantline.pipelines.baseline import import_model
from quantline.pipelines.calibration import check_calibration
from quantline.pipelines.training import log_file, trained_file
from quantline.quantization import FloatModel
from quantline.quantization.original_source import kind_of
from quantline.release.champion import fetch_trained
from quantline.release.registry import Registry
from quantline.release.tracking import connect
from quantline.sampling import CalibrationSet
from quantline.temporary import temporary_folder
from quantline.training import (
    OwnTraining,
    Prepared,
    fit,
    place_of_model,
    prepare,
    refuse_another_network,
    refuse_other_examples,
    refuse_other_interface,
    refuse_untrained,
    write_model,
)
from quantline.training.model_files import SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from quantline.release.tracking import Project
    from quantline.training import Content


def check_retraining(
    dataset: dict[str, Any],
    training: dict[str, Any],
    release: dict[str, Any],
    model: dict[str, Any],
    limits: dict[str, Any],
    project: Project,
) -> Prepared | OwnTraining:
    """Prepare a training, if it can make the next version of the model that is named.

    Without a function or a command of the user's, a model that is trained anew is of the embedded
    network: so must be the one at 'model.path'.

    Raises:
        QuantlineError: It cannot: the model, the champion, the dataset, the function or the place
            of the result.
    """
    named, trained = recipe.check(recipe.Model, model), trained_file(project)
    if (project.folder / named.path).resolve() in _written(trained):
        raise ParameterError(
            "'model.path' is the file that a training overwrites",
            found=f"'{named.path}'",
            expected="a model in a file of its own, whose name the next versions get",
            remedy="Copy the file to another name, and set 'model.path' to the copy",
        )
    check_writable(trained)
    data, settings = recipe.check(recipe.Dataset, dataset), recipe.check(recipe.Training, training)
    start: Content | None = None
    if settings.start == "champion":
        name = recipe.check(recipe.Release, release).name(named)
        start = fetch_trained(Registry(connect(project).client, name))
    if settings.trainer is not None:
        kind_of(Path(named.path))
        return OwnTraining.prepare(data, settings, start)
    if start is not None:
        return prepare(data, settings, _keras(start))
    prepared = prepare(data, settings)
    refuse_another_network(named.path, prepared.model, recipe.check(recipe.Limits, limits))
    return prepared


def _written(trained: Path) -> set[Path]:
    return {trained.with_suffix(suffix).resolve() for suffix in SUFFIXES}


def _keras(start: Content) -> bytes:
    if isinstance(start, dict) or place_of_model(Path("_"), start).suffix != ".keras":
        raise ModelUnsupported(
            "The model that training is to start from is no Keras file",
            found="a SavedModel folder" if isinstance(start, dict) else "a .tflite file",
            expected="a model of Keras 3, which training goes on with",
            remedy="Train it with your own code, by `training_function`",
        )
    return start


def retrain_model(
    dataset: dict[str, Any],
    training: dict[str, Any],
    release: dict[str, Any],
    model: dict[str, Any],
    limits: dict[str, Any],
    project: Project,
    manifest: dict[str, Any],
    calibration_set: dict[str, np.ndarray],
    baseline: dict[str, Any],
    calibration: dict[str, Any],
    task: dict[str, Any],
) -> tuple[Content, dict[str, Any]]:
    """Train anew, or on from the champion's weights; return the model, and how.

    All examples are checked first: training takes long, and the calibration set is ruled out soon.
    """
    prepared = check_retraining(dataset, training, release, model, limits, project)
    data = recipe.check(recipe.Dataset, dataset)
    samples = CalibrationSet.of(calibration_set).x
    if isinstance(prepared, Prepared):
        refuse_other_examples(prepared.split, prepared.classes, data, manifest, samples)
        inputs = {"x": (prepared.split.shape, "float32")}
        check_calibration(inputs, calibration_set, manifest, dataset, calibration)
        trained = fit(prepared, recipe.check(recipe.Training, training))
        return trained.content, trained.about

    def imported(path: str, **changes: Any) -> FloatModel:
        values = {**model, **changes, "path": path}
        return FloatModel(*import_model(values, baseline, calibration_set, manifest, limits, task))

    retrained = imported(recipe.check(recipe.Model, model).path)
    shapes = {name: tuple(port["shape"]) for name, port in retrained.about["inputs"].items()}
    inputs = {
        name: (shape[1:], retrained.about["inputs"][name]["dtype"])
        for name, shape in shapes.items()
    }
    check_calibration(inputs, calibration_set, manifest, dataset, calibration)
    prepared.split.refuse_other_inputs(shapes, retrained.about["source"]["path"])
    trained = prepared.train(log_file(project))
    with temporary_folder() as folder:
        found = _found(imported, write_model(folder / "trained.keras", trained.content))
        refuse_other_interface(found, retrained)
        start = None
        if prepared.start is not None:
            path = write_model(folder / "start.keras", prepared.start)
            start = imported(str(path), signature=None)
        refuse_untrained(found, retrained, samples, recipe.check(recipe.Limits, limits), start)
    return trained.content, trained.about


def _found(imported: Callable[..., FloatModel], path: Path) -> FloatModel:
    try:
        return imported(str(path), signature=None)
    except QuantlineError as error:
        found, what = (text.replace(f"{path.parent}/", "") for text in (error.found, error.what))
        raise type(error)(
            f"The trained model cannot be used. {what}",
            found=found, expected=error.expected, remedy=error.remedy, details=error.details,
        ) from error  # fmt: skip


def import_trained(
    model: dict[str, Any],
    baseline: dict[str, Any],
    calibration_set: dict[str, np.ndarray],
    manifest: dict[str, Any],
    trained_model: Content,
    training_report: dict[str, Any],
    limits: dict[str, Any],
    project: Project,
    task: dict[str, Any] | None = None,
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
        task: The task, whose labels are checked.
    """
    path = place_of_model(trained_file(project), trained_model)
    if path.is_relative_to(project.folder):
        path = path.relative_to(project.folder)
    trained = {**model, "path": str(path), "signature": None}
    content, about = import_model(trained, baseline, calibration_set, manifest, limits, task)
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
                [
                    *CHECKED,
                    "manifest",
                    "calibration_set",
                    "params:baseline",
                    "params:calibration",
                    "params:task",
                ],
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
                    "params:task",
                ],
                ["float_model", "float_import"],
                name="import_trained",
            )
        ],
        tags="baseline",
    )
    return training + imported + (chain - chain.only_nodes("import_model"))
