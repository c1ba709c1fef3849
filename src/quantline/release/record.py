"""One complete MLflow run of what the stages wrote, the same whether they ran or were restored."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quantline.errors import ResultMissing, first_few
from quantline.redaction import redacted
from quantline.release.card import NOTE, card
from quantline.release.champion import TRAINED
from quantline.release.flavor import ModelFiles, log_model
from quantline.release.inputs import log_inputs
from quantline.release.measured import log_metrics, log_training
from quantline.release.provenance import identity, provenance, trained_model
from quantline.release.registry import RELEASE
from quantline.release.store_errors import tracking_errors
from quantline.release.tracking import (
    FINISHED,
    MODEL_ID,
    Store,
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
        tags: What the run and the model version are known by: hashes, commit, dataset, the
            user's own.
        card: Its results as Markdown.
    """

    release_id: str
    run_id: str
    model_id: str
    gate: Mapping[str, Any]
    tags: Mapping[str, str]
    card: str


def record(
    store: Store,
    project: Project,
    parameters: Mapping[str, Any],
    labels: Path | None = None,
    model: str = "model",
    own_tags: Mapping[str, str] | None = None,
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
        own_tags: The user's tags.

    Raises:
        ResultMissing: A file is not there.
        MismatchError: The model's files are of different runs, or the trained model changed.
        TrackingFailed: The tracking store does not take it.
    """
    files, running = project.files, project.running
    _check_there(files)
    read = {name: json.loads(files[name].read_bytes()) for name in _READ}
    release_id = identity(files, read["gate"])
    own = {key: redacted(value) for key, value in (own_tags or {}).items()}
    note = card(model, read)
    tags = {
        **own,
        RELEASE: release_id,
        **project_tags(project.folder),
        **provenance(read, files, project.folder),
    }
    with tracking_errors("record the results"):
        if running is None:
            run = open_run(store, {**tags, NOTE: note}, RELEASE, run_name(project, model))
        else:
            run = running.becomes(release_id)
    run_id, model_id = run.info.run_id, run.data.tags.get(MODEL_ID)
    is_closed = model_id is not None and run.info.status == FINISHED
    if model_id is None:
        trained = trained_model(read["float_import"], project.folder)
        with tracking_errors("record the results"):
            known = {} if running is None else running.tags
            reopen(store, run, {**known, **tags, NOTE: note})
            log_parameters(store, run, parameters)
            log_inputs(store.client, run_id, read["manifest"])
            log_training(store.client, run, _history(read["float_import"]))
            _log_files(store.client, run_id, files)
            _log_trained(store.client, run_id, trained)
        model_id = log_model(store.client, run_id, _model_files(files, labels))
        with tracking_errors("record the results"):
            store.client.set_logged_model_tags(model_id, {**own, NOTE: note})
            log_metrics(store.client, run, model_id, read)
            # Last: what has it is complete.
            store.client.set_tag(run_id, MODEL_ID, model_id)
    elif not is_closed:
        with tracking_errors("record the results"):
            forget_end(store, run)
    if not is_closed:
        with tracking_errors("record the results"):
            store.client.set_terminated(run_id, FINISHED)
    return Recorded(release_id, run_id, model_id, read["gate"], tags, note)


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


def _history(imported: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the numbers of each epoch, of a model that the project trained."""
    return (imported.get("training") or {}).get("history") or {}


def _log_files(client: Any, run_id: str, files: Mapping[str, Path]) -> None:
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
