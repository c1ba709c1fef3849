"""One complete MLflow run of what the stages wrote, the same whether they ran or were restored."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quantline.errors import ResultMissing, first_few
from quantline.files import canonical_json, sha256, sha256_of_path
from quantline.release.answers import translated
from quantline.release.champion import TRAINED
from quantline.release.flavor import ModelFiles, log_model
from quantline.release.registry import INT8_MODEL, RELEASE
from quantline.release.tracking import (
    Store,
    batched,
    flatten,
    log_parameters,
    open_run,
    project_tags,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from quantline.release.project import Project

_READ = ("summary", "manifest", "recipe", "float_import", "gate")
_MODEL_ID = "quantline.model_id"
_LOCK_FILE = "dvc.lock"
_FINISHED = "FINISHED"


@dataclass(frozen=True)
class Recorded:
    """A run that has everything.

    Attributes:
        release_id: The SHA-256 of all its files: of the same files the same.
        run_id: The MLflow run.
        model_id: The logged model.
        gate: The verdict, the content of ``gate.json``.
        tags: What the run and the model version are known by: hashes, commit, dataset.
    """

    release_id: str
    run_id: str
    model_id: str
    gate: Mapping[str, Any]
    tags: Mapping[str, str]


def record(
    store: Store,
    project: Project,
    parameters: Mapping[str, Any],
    labels: Path | None = None,
) -> Recorded:
    """Record a run from the files of the stages: parameters, metrics, tags, artifacts, model.

    Run again with the same files it completes what an interruption left, or finds it complete.

    Args:
        store: The tracking store.
        project: The project; all its files become artifacts.
        parameters: The pipeline's parameters; ``model.path`` becomes an artifact too.
        labels: The classes' names, to go with the model.

    Raises:
        ResultMissing: A file is not there.
        FilesUnrelated: The model's files are of different runs.
        TrackingFailed: The tracking store does not take it.
    """
    files = project.files
    _check_there(files)
    read = {name: json.loads(files[name].read_bytes()) for name in _READ}
    release_id = _identity(files)
    tags = {
        RELEASE: release_id,
        **project_tags(project.folder),
        **_provenance(read, project.folder),
    }
    with translated("record the results"):
        run = open_run(store, tags, RELEASE)
    run_id, model_id = run.info.run_id, run.data.tags.get(_MODEL_ID)
    if model_id is None:
        with translated("record the results"):
            log_parameters(store, run, parameters)
            _log(store.client, run_id, read, files)
            _log_trained(store.client, run_id, project.folder / parameters["model"]["path"])
        model_id = log_model(store.client, run_id, _model_files(files, labels))
        with translated("record the results"):
            # Last: what has it is complete.
            store.client.set_tag(run_id, _MODEL_ID, model_id)
    if run.info.status != _FINISHED:
        with translated("record the results"):
            store.client.set_terminated(run_id, _FINISHED)
    return Recorded(release_id, run_id, model_id, read["gate"], tags)


def _check_there(files: Mapping[str, Path]) -> None:
    missing = [str(path) for path in files.values() if not path.exists()]
    if missing:
        raise ResultMissing(
            "The results are not complete, and nothing was recorded",
            found=f"no {first_few(missing)}",
            expected="what all stages before 'release' write",
            remedy="Run 'kedro run', or 'dvc repro' and then 'kedro run --pipelines release'",
        )


def _log(client: Any, run_id: str, read: Mapping[str, Any], files: Mapping[str, Path]) -> None:
    from mlflow.entities import Metric

    now_ms = int(time.time() * 1000)
    metrics = [
        Metric(key, float(value), now_ms, 0)
        for key, value in flatten(read["summary"])
        if isinstance(value, (bool, int, float))
    ]
    for some in batched(metrics):
        client.log_batch(run_id, metrics=some)
    for path in files.values():
        if path.is_file():
            client.log_artifact(run_id, str(path))
        elif any(path.iterdir()):
            client.log_artifacts(run_id, str(path), path.name)


def _log_trained(client: Any, run_id: str, path: Path) -> None:
    """Keep the trained model, which a later training may go on from."""
    if path.is_dir():
        client.log_artifacts(run_id, str(path), f"{TRAINED}/{path.name}")
    elif path.is_file():
        client.log_artifact(run_id, str(path), TRAINED)


def _identity(files: Mapping[str, Path]) -> str:
    return sha256(canonical_json({name: sha256_of_path(path) for name, path in files.items()}))


def _model_files(files: Mapping[str, Path], labels: Path | None) -> ModelFiles:
    return ModelFiles(
        model=files["int8_model"],
        recipe=files["recipe"],
        golden=files["golden_vectors"],
        ranges=files["ranges"],
        labels=labels,
        manifest=files["manifest"],
    )


def _provenance(read: Mapping[str, Any], folder: Path) -> dict[str, str]:
    manifest, recipe, imported = read["manifest"], read["recipe"], read["float_import"]
    dataset = dict(manifest["dataset"])
    named = (dataset.pop("source"), *(dataset[key] for key in sorted(dataset)))
    lock = folder / _LOCK_FILE
    return {
        "quantline.verdict": read["gate"]["verdict"],
        "quantline.dataset": ":".join(str(each) for each in named if each),
        "quantline.calibration_sha256": manifest["calibration"]["sha256"],
        "quantline.evaluation_sha256": manifest["evaluation"]["sha256"],
        "quantline.source_model_sha256": imported["source"]["sha256"],
        "quantline.float_model_sha256": recipe["float_model_sha256"],
        INT8_MODEL: recipe["int8_model_sha256"],
        **({"quantline.dvc_lock_sha256": sha256(lock.read_bytes())} if lock.is_file() else {}),
    }
