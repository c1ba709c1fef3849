"""The MLflow tracking store: reaching it, and what every run of it has."""

from __future__ import annotations

import logging
import os
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from typing import TYPE_CHECKING, Any

from quantline.errors import TrackingFailed
from quantline.release.answers import EXISTS, translated, unless, without_password

if TYPE_CHECKING:
    from pathlib import Path

    from quantline.release.project import Project

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
VALUE_LIMIT = 5000  # characters of a tag or a parameter
_FAILURE_ID = "quantline.failure_id"


@dataclass(frozen=True)
class Store:
    """A tracking store that answered.

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
    uri = os.environ.get("MLFLOW_TRACKING_URI") or project.mlflow.get("tracking_uri")
    local = not uri
    uri = uri or f"sqlite:///{project.folder / 'mlflow.db'}"
    with translated(f"open the tracking store '{uri}'"):
        client = MlflowClient(uri)
        name = project.mlflow["experiment"]
        found = client.get_experiment_by_name(name)
        if found is None:
            # Absolute, so that a run is found from whatever folder it is looked at.
            artifacts = (project.folder / "mlartifacts").as_uri() if local else None
            with unless(EXISTS):
                client.create_experiment(name, artifact_location=artifacts)
            found = client.get_experiment_by_name(name)
        if found.lifecycle_stage != "active":
            raise TrackingFailed(
                f"The experiment '{name}' takes no runs",
                found=f"it was deleted in '{without_password(uri)}'",
                expected="an experiment that is there, or a name that is free",
                remedy=f"Run 'mlflow experiments restore --experiment-id {found.experiment_id}', "
                "or give another name in conf/base/mlflow.yml",
            )
        return Store(client, uri, found.experiment_id)


def open_run(store: Store, tags: Mapping[str, str], known_by: str) -> Any:
    """Open a run, or find the one that was opened before.

    Args:
        store: The tracking store.
        tags: Its tags.
        known_by: The one of them by which it is known: no other run has the same value.

    Returns:
        The ``mlflow.entities.Run``. If there are several, because a request was sent again whose
        answer was lost, the first; the others are deleted.
    """

    def opened() -> list[Any]:
        wanted = f"tags.`{known_by}` = '{tags[known_by]}'"
        found = store.client.search_runs([store.experiment_id], wanted)
        return sorted(found, key=lambda each: (each.info.start_time, each.info.run_id))

    found = opened()
    if not found:
        made = store.client.create_run(store.experiment_id, tags=tags)
        found = opened() or [made]
    first, *others = found
    for each in others:
        store.client.delete_run(each.info.run_id)
    return first


def log_parameters(store: Store, run: Any, parameters: Mapping[str, Any]) -> None:
    """Log every parameter, flat, that the run does not have yet: MLflow lets none be changed."""
    from mlflow.entities import Param

    values = [
        Param(key, str(value)[:VALUE_LIMIT])
        for key, value in flatten(parameters)
        if key not in run.data.params
    ]
    for some in batched(values):
        store.client.log_batch(run.info.run_id, params=some)


def record_failure(
    store: Store,
    project: Project,
    parameters: Mapping[str, Any],
    *,
    status: str,
    stage: str,
    error: BaseException,
) -> str:
    """Record a run that ended without results, and return its id.

    Args:
        store: The tracking store.
        project: The project.
        parameters: The pipeline's parameters.
        status: ``FAILED`` or ``KILLED``.
        stage: The stage it ended at.
        error: Why; its text is kept.

    Raises:
        TrackingFailed: The tracking store does not take it.
    """
    text = str(error) or type(error).__name__
    tags = {
        **project_tags(project.folder),
        _FAILURE_ID: uuid.uuid4().hex,
        "quantline.failed_stage": stage,
        "quantline.error": text[:VALUE_LIMIT],
    }
    with translated("record the failure"):
        run = open_run(store, tags, _FAILURE_ID)
        log_parameters(store, run, parameters)
        store.client.set_terminated(run.info.run_id, status)
    return str(run.info.run_id)


def flatten(values: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield nested mappings and lists as (dotted key, value), such as ``dataset.source``."""
    if isinstance(values, Mapping):
        items: Any = values.items()
    elif isinstance(values, (list, tuple)) and any(isinstance(each, Mapping) for each in values):
        items = enumerate(values)
    else:
        yield prefix, values
        return
    for key, value in items:
        yield from flatten(value, f"{prefix}.{key}" if prefix else str(key))


def batched(values: list[Any]) -> Iterator[list[Any]]:
    """Yield values in lists that the tracking API takes at once."""
    rest = iter(values)
    while some := list(islice(rest, _BATCH)):
        yield some


def project_tags(folder: Path) -> dict[str, str]:
    """Return what ran: the version of the package, and the commit of the project, if it has one."""
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
