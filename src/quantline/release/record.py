"""One complete MLflow run of what the stages wrote, the same whether they ran or were restored."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quantline.errors import ResultMissing, first_few
from quantline.release.champion import TRAINED
from quantline.release.flatten import flatten
from quantline.release.flavor import ModelFiles, log_model
from quantline.release.provenance import identity, provenance, trained_model
from quantline.release.registry import RELEASE
from quantline.release.store_errors import tracking_errors
from quantline.release.tracking import (
    FINISHED,
    MODEL_ID,
    Store,
    batched,
    forget_end,
    log_parameters,
    open_run,
    project_tags,
    reopen,
    run_name,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from quantline.release.tracking import Project

_READ = ("summary", "manifest", "recipe", "float_import", "gate")


@dataclass(frozen=True)
class Recorded:
    """An MLflow run that was recorded completely.

    Attributes:
        release_id: A SHA-256: of the same files, judged in the same way, the same.
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
    model: str = "model",
) -> Recorded:
    """Record a run from the files of the stages: parameters, metrics, tags, artifacts, model.

    Run again with the same files it completes what an interruption left, or finds it complete.

    Args:
        store: The tracking store.
        project: The project; all its files become artifacts. If a run is under way, it becomes
            the record, or makes way for that of an earlier process.
        parameters: The pipeline's parameters.
        labels: The classes' names, to go with the model.
        model: The registered model's name; the run is named after it.

    Raises:
        ResultMissing: A file is not there.
        MismatchError: The model's files are of different runs, or the trained model changed.
        TrackingFailed: The tracking store does not take it.
    """
    files, running = project.files, project.running
    _check_there(files)
    read = {name: json.loads(files[name].read_bytes()) for name in _READ}
    release_id = identity(files, read["gate"])
    tags = {
        RELEASE: release_id,
        **project_tags(project.folder),
        **provenance(read, files, project.folder),
    }
    with tracking_errors("record the results"):
        if running is None:
            run = open_run(store, tags, RELEASE, run_name(project, model))
        else:
            run = running.becomes(release_id)
    run_id, model_id = run.info.run_id, run.data.tags.get(MODEL_ID)
    is_closed = model_id is not None and run.info.status == FINISHED
    if model_id is None:
        trained = trained_model(read["float_import"], project.folder)
        with tracking_errors("record the results"):
            reopen(store, run, tags if running is None else {**running.tags, **tags})
            log_parameters(store, run, parameters)
            _log(store.client, run_id, read, files)
            _log_trained(store.client, run_id, trained)
        model_id = log_model(store.client, run_id, _model_files(files, labels))
        with tracking_errors("record the results"):
            # Last: what has it is complete.
            store.client.set_tag(run_id, MODEL_ID, model_id)
    elif not is_closed:
        with tracking_errors("record the results"):
            forget_end(store, run)
    if not is_closed:
        with tracking_errors("record the results"):
            store.client.set_terminated(run_id, FINISHED)
    return Recorded(release_id, run_id, model_id, read["gate"], tags)


def _check_there(files: Mapping[str, Path]) -> None:
    missing = [str(path) for path in files.values() if not path.exists()]
    if missing:
        raise ResultMissing(
            "The results are not complete, and nothing was recorded",
            found=f"no {first_few(missing)}",
            expected="what all stages before 'release' write",
            remedy="Run the whole pipeline, or 'dvc repro' and then the pipeline with "
            "`pipelines=release`",
        )


def _log(client: Any, run_id: str, read: Mapping[str, Any], files: Mapping[str, Path]) -> None:
    from mlflow.entities import Metric

    now_ms = int(time.time() * 1000)
    metrics = [
        Metric(key, float(value), now_ms, 0)
        for key, value in flatten(read["summary"])
        if isinstance(value, (bool, int, float))
    ]
    for batch in batched(metrics):
        client.log_batch(run_id, metrics=batch)
    for path in files.values():
        if path.is_file():
            client.log_artifact(run_id, str(path))
        elif any(path.iterdir()):
            client.log_artifacts(run_id, str(path), path.name)


def _log_trained(client: Any, run_id: str, path: Path) -> None:
    """Log the trained model, from which a later training may continue."""
    if path.is_dir():
        client.log_artifacts(run_id, str(path), f"{TRAINED}/{path.name}")
    else:
        client.log_artifact(run_id, str(path), TRAINED)


def _model_files(files: Mapping[str, Path], labels: Path | None) -> ModelFiles:
    return ModelFiles(
        model=files["int8_model"],
        recipe=files["recipe"],
        golden=files["golden_vectors"],
        ranges=files["ranges"],
        labels=labels,
        manifest=files["manifest"],
    )
