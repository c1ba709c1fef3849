"""The MLflow tracking store: reaching it, and what every run of it has."""

from __future__ import annotations

import logging
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from typing import TYPE_CHECKING, Any

from quantline.errors import QuantlineError, TrackingFailed, first_line

if TYPE_CHECKING:
    from pathlib import Path

    from quantline.release.project import Project

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
# A server that is down, slow or answers 500 is asked again, for about a minute in all: MLflow's own
# bounds let a scheduled run hang for a quarter of an hour.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "4")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
_BATCH = 100  # the tracking API takes no more parameters at once
VALUE_LIMIT = 5000  # characters of a tag or a parameter


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
    uri = os.environ.get("MLFLOW_TRACKING_URI") or project.mlflow.get("tracking_uri")
    local = not uri
    uri = uri or f"sqlite:///{project.folder / 'mlflow.db'}"
    with translated(f"open the tracking store '{uri}'"):
        client = MlflowClient(uri)
        name = project.mlflow["experiment"]
        found = client.get_experiment_by_name(name)
        if found is not None:
            return Store(client, uri, found.experiment_id)
        # Absolute, so that a run is found from whatever folder it is looked at.
        artifacts = (project.folder / "mlartifacts").as_uri() if local else None
        return Store(client, uri, client.create_experiment(name, artifact_location=artifacts))


def open_run(store: Store, parameters: Mapping[str, Any], tags: Mapping[str, str]) -> str:
    """Open a run with every parameter, flat; return its id."""
    from mlflow.entities import Param

    run_id = str(store.client.create_run(store.experiment_id, tags=tags).info.run_id)
    values = [Param(key, str(value)[:VALUE_LIMIT]) for key, value in flatten(parameters)]
    for some in batched(values):
        store.client.log_batch(run_id, params=some)
    return run_id


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
    with translated("record the failure"):
        run_id = open_run(store, parameters, project_tags(project.folder))
        store.client.set_tag(run_id, "quantline.failed_stage", stage)
        store.client.set_tag(run_id, "quantline.error", text[:VALUE_LIMIT])
        store.client.set_terminated(run_id, status)
    return run_id


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


@contextmanager
def translated(action: str) -> Iterator[None]:
    """Turn whatever MLflow raises into one error of ours.

    Args:
        action: What is tried, such as ``record the results``.

    Raises:
        TrackingFailed: It did not work.
    """
    try:
        yield
    except QuantlineError:
        raise
    except Exception as error:
        raise TrackingFailed(
            f"MLflow could not {action}",
            found=first_line(error),
            expected="a tracking store that answers",
            remedy="Check MLFLOW_TRACKING_URI and conf/base/mlflow.yml, then run 'kedro run "
            "--pipelines release': the results of the stages are on disk and are kept",
        ) from error


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
