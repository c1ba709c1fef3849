"""The MLflow tracking store: the connection, and operations on its runs."""

from __future__ import annotations

import logging
import os
import subprocess
import time
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantline.errors import TrackingFailed
from quantline.redaction import redacted, remember
from quantline.release.flatten import flatten
from quantline.release.nested import nested_runs
from quantline.release.store_errors import EXISTS, MISSING, ignored, tracking_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from quantline.release.active_run import ActiveRun


DEFAULT_ENVIRONMENT = "local"


@dataclass(frozen=True)
class Project:
    """A project folder, its result files, and the tracking store that its runs are recorded in.

    Attributes:
        folder: The project folder; the default tracking store and ``dvc.lock`` lie in it.
        mlflow: ``tracking_uri`` and ``experiment``; MLFLOW_TRACKING_URI comes before the former.
        files: The stages' files and folders by the names of their datasets.
        data: The data folder of the environment, from the project folder on.
        environment: The environment's name.
        running: The MLflow run of the chain that is under way; None outside of one.
        trained: The file that a training writes its model to.
    """

    folder: Path
    mlflow: Mapping[str, Any]
    files: Mapping[str, Path] = field(default_factory=dict)
    data: Path = Path("data")
    environment: str = DEFAULT_ENVIRONMENT
    running: ActiveRun | None = None
    trained: Path | None = None


os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
# A server that is down, slow or answers 500 is asked again, for about a minute: four times 15 s,
# and 0, 2 and 4 s between. MLflow's own bounds let a scheduled run hang for a quarter of an hour.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "15")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # commands print JSON there
_BATCH = 100  # the tracking API takes no more parameters at once
# A command of the user's, in which a secret can have any form.
_COMMAND = "release.notify"
VALUE_LIMIT = 5000  # characters of a tag or a parameter
FINISHED, RUNNING, READY = "FINISHED", "RUNNING", "READY"
# Tags of a run.
MODEL_ID = "quantline.model_id"  # what has it is complete
FAILED_STAGE = "quantline.failed_stage"
ERROR = "quantline.error"
ABANDONED = "quantline.abandoned"


@dataclass(frozen=True)
class Store:
    """A tracking store that was connected to.

    Attributes:
        client: The ``MlflowClient`` that it is reached with.
        uri: Where it is.
        experiment_id: The experiment that runs are recorded in.
    """

    client: Any
    uri: str
    experiment_id: str


def connect(project: Project) -> Store:
    """Reach the project's tracking store, and make the experiment unless it is there.

    Raises:
        TrackingFailed: The tracking store cannot be used.
    """
    from mlflow import MlflowClient

    logging.getLogger("alembic").setLevel(logging.WARNING)
    # It warns each time that it asks again; the error says it once.
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
    uri, local = address(project), not _named(project)
    remember(uri)
    with tracking_errors(f"open the tracking store '{uri}'"):
        client = MlflowClient(uri)
        name = project.mlflow["experiment"]
        found = client.get_experiment_by_name(name)
        if found is None:
            # Absolute, so that a run is found from whatever folder it is looked at.
            artifacts = (project.folder / "mlartifacts").as_uri() if local else None
            with ignored(EXISTS):
                client.create_experiment(name, artifact_location=artifacts)
            found = client.get_experiment_by_name(name)
        if found.lifecycle_stage != "active":
            raise TrackingFailed(
                f"The experiment '{name}' takes no runs",
                found=f"it was deleted in '{uri}'",
                expected="an experiment that is there, or a name that is free",
                remedy=f"Run 'mlflow experiments restore --experiment-id {found.experiment_id}', "
                "or give another `experiment`",
            )
        return Store(client, uri, found.experiment_id)


def address(project: Project) -> str:
    """Return the URI of the project's tracking store."""
    return _named(project) or f"sqlite:///{project.folder / 'mlflow.db'}"


def _named(project: Project) -> str | None:
    return os.environ.get("MLFLOW_TRACKING_URI") or project.mlflow.get("tracking_uri")


def run_name(project: Project, model: str) -> str:
    """Return the name of a run that begins now: MLflow's own are drawn, and a seed repeats them."""
    is_said = project.environment in (DEFAULT_ENVIRONMENT, model)
    environment = [] if is_said else [project.environment]
    return " ".join([model, *environment, time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())])


def open_run(
    store: Store,
    tags: Mapping[str, str],
    known_by: str,
    name: str,
    chosen: Callable[[Any], None] = lambda run: None,
) -> Any:
    """Open a run, or find the one that was opened before.

    Args:
        store: The tracking store.
        tags: Its tags.
        known_by: The key of the tag that identifies it: no other run has the same value.
        name: Its name, if it is opened now.
        chosen: What is called with the run before others are deleted.

    Returns:
        The ``mlflow.entities.Run``. If there are several, because a request was sent again whose
        answer was lost, or a release was begun twice, the complete one, or else the first; the
        others are deleted.
    """
    found = runs_with(store, known_by, tags[known_by])
    if not found:
        made = store.client.create_run(store.experiment_id, tags=_short(tags), run_name=name)
        found = runs_with(store, known_by, tags[known_by]) or [made]
    first, *others = found
    chosen(first)
    for run in others:
        delete_run(store, run)
    return first


def runs_with(store: Store, key: str, value: str) -> list[Any]:
    """Return the runs that have a tag of this value: complete ones first, then by their age."""
    found = store.client.search_runs([store.experiment_id], f"tags.`{key}` = '{value}'")
    return sorted(
        found,
        key=lambda run: (MODEL_ID not in run.data.tags, run.info.start_time, run.info.run_id),
    )


def delete_run(store: Store, run: Any) -> None:
    """Close and delete a run, and those under it; MLflow shows deleted ones too, if asked to."""
    for nested in nested_runs(store.client, run):
        delete_run(store, nested)
    if run.info.status == RUNNING:
        store.client.set_terminated(run.info.run_id, "KILLED")
    store.client.delete_run(run.info.run_id)


def reopen(store: Store, run: Any, tags: Mapping[str, str]) -> None:
    """Set an incomplete run back to running, with these tags."""
    from mlflow.entities import RunTag

    if run.info.status != RUNNING:
        store.client.update_run(run.info.run_id, status=RUNNING)
    forget_end(store, run)
    store.client.log_batch(
        run.info.run_id, tags=[RunTag(key, value) for key, value in _short(tags).items()]
    )


def forget_end(store: Store, run: Any) -> None:
    """Remove the tags that say how a run ended, because it continues."""
    for key in (FAILED_STAGE, ERROR, ABANDONED):
        if key in run.data.tags:
            with ignored(MISSING):  # a request that is sent again finds it gone
                store.client.delete_tag(run.info.run_id, key)


def delete_unfinished(client: Any, run: Any) -> None:
    """Delete the logged models of a run whose files are not all there."""
    for model in logged_models(client, run):
        if model.status != READY:
            client.delete_logged_model(model.model_id)


def logged_models(client: Any, run: Any) -> list[Any]:
    """Return the logged models of a run."""
    wanted = f"source_run_id = '{run.info.run_id}'"
    return list(client.search_logged_models([run.info.experiment_id], wanted))


def log_parameters(store: Store, run: Any, parameters: Mapping[str, Any]) -> None:
    """Log every parameter, flat, that the run does not have yet: MLflow lets none be changed."""
    from mlflow.entities import Param

    values = [
        Param(key, "***" if key == _COMMAND and value else redacted(str(value))[:VALUE_LIMIT])
        for key, value in flatten(parameters)
        if key not in run.data.params
    ]
    for batch in batched(values):
        store.client.log_batch(run.info.run_id, params=batch)


def batched(values: list[Any], size: int = _BATCH) -> Iterator[list[Any]]:
    """Yield values in lists that the tracking API takes at once."""
    rest = iter(values)
    while batch := list(islice(rest, size)):
        yield batch


def _short(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: redacted(value)[:VALUE_LIMIT] for key, value in tags.items()}


def project_tags(folder: Path) -> dict[str, str]:
    """Return tags with the version of the package and the commit of the project, if it has one."""
    tags = {
        "quantline.version": version("quantline"),
        "mlflow.source.name": "kedro run",
        "mlflow.source.type": "LOCAL",
    }
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return tags  # not a Git checkout
    return {**tags, "mlflow.source.git.commit": commit, "quantline.git_dirty": str(bool(changed))}


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(  # noqa: S603
        ["git", *arguments],  # noqa: S607 - whichever git the user has
        cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()
