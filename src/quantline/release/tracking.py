"""One MLflow run for one run of the whole chain."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from itertools import islice
from typing import TYPE_CHECKING, Any

from quantline.errors import QuantlineError, TrackingFailed

if TYPE_CHECKING:
    from pathlib import Path

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
_BATCH = 100  # the tracking API takes no more parameters at once
_VALUE_LIMIT = 5000  # characters of a tag or a parameter


class Run:
    """An open MLflow run.

    Attributes:
        run_id: Its id in the tracking store.
    """

    def __init__(self, client: Any, run_id: str) -> None:
        self._client = client
        self.run_id = run_id

    def complete(self, files: Mapping[str, Path]) -> None:
        """Log metrics, tags and artifacts from the files the stages wrote, and finish the run.

        Args:
            files: Paths by name; ``summary``, ``manifest``, ``recipe`` and ``float_import`` are
                read, and all of them become artifacts.

        Raises:
            TrackingFailed: The tracking store does not take them.
        """
        from mlflow.entities import Metric, RunTag

        read = {name: json.loads(files[name].read_bytes()) for name in _READ}
        now_ms = int(time.time() * 1000)
        metrics = [
            Metric(key, float(value), now_ms, 0)
            for key, value in flatten(read["summary"])
            if isinstance(value, (bool, int, float))
        ]
        tags = [RunTag(key, str(value)) for key, value in _provenance(read).items()]
        with _translated("record the results"):
            for some in _batched(metrics):
                self._client.log_batch(self.run_id, metrics=some)
            self._client.log_batch(self.run_id, tags=tags)
            for path in files.values():
                self._client.log_artifact(self.run_id, str(path))
            self._client.set_terminated(self.run_id, "FINISHED")

    def fail(self, status: str, stage: str, error: BaseException) -> None:
        """Close the run without results.

        Args:
            status: ``FAILED`` or ``KILLED``.
            stage: The stage it ended at.
            error: Why; its text is kept.
        """
        text = str(error) or type(error).__name__
        with _translated("record the failure"):
            self._client.set_tag(self.run_id, "quantline.failed_stage", stage)
            self._client.set_tag(self.run_id, "quantline.error", text[:_VALUE_LIMIT])
            self._client.set_terminated(self.run_id, status)


_READ = ("summary", "manifest", "recipe", "float_import")


def start_run(project: Path, settings: Mapping[str, Any], parameters: Mapping[str, Any]) -> Run:
    """Open a run and log every parameter, flat.

    Args:
        project: The project folder; the default store lies in it.
        settings: ``tracking_uri`` and ``experiment``; MLFLOW_TRACKING_URI comes before the former.
        parameters: The pipeline's parameters.

    Raises:
        TrackingFailed: The tracking store cannot be used.
    """
    from mlflow import MlflowClient
    from mlflow.entities import Param

    logging.getLogger("alembic").setLevel(logging.WARNING)
    uri = os.environ.get("MLFLOW_TRACKING_URI") or settings.get("tracking_uri")
    local = not uri
    uri = uri or f"sqlite:///{project / 'mlflow.db'}"
    with _translated(f"open the tracking store '{uri}'"):
        client = MlflowClient(uri)
        name = settings["experiment"]
        found = client.get_experiment_by_name(name)
        if found is None:
            # Absolute, so that a run is found from whatever folder it is looked at.
            artifacts = (project / "mlartifacts").as_uri() if local else None
            experiment = client.create_experiment(name, artifact_location=artifacts)
        else:
            experiment = found.experiment_id
        run = client.create_run(experiment, tags=_tags(project))
        values = [Param(key, str(value)[:_VALUE_LIMIT]) for key, value in flatten(parameters)]
        for some in _batched(values):
            client.log_batch(run.info.run_id, params=some)
    return Run(client, run.info.run_id)


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


def _batched(values: list[Any]) -> Iterator[list[Any]]:
    rest = iter(values)
    while some := list(islice(rest, _BATCH)):
        yield some


def _tags(project: Path) -> dict[str, str]:
    tags = {
        "quantline.version": version("quantline"),
        "mlflow.source.name": "kedro run",
        "mlflow.source.type": "LOCAL",
    }
    try:
        commit = _git(project, "rev-parse", "HEAD")
        changed = _git(project, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return tags  # not a Git checkout
    return {**tags, "mlflow.source.git.commit": commit, "quantline.git_dirty": str(bool(changed))}


def _git(project: Path, *arguments: str) -> str:
    done = subprocess.run(  # noqa: S603
        ["git", *arguments],  # noqa: S607 - whichever git the user has
        cwd=project, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


def _provenance(read: Mapping[str, Any]) -> dict[str, str]:
    manifest, recipe, imported = read["manifest"], read["recipe"], read["float_import"]
    dataset = manifest["dataset"]
    return {
        "quantline.dataset": ":".join(str(each) for each in dataset.values() if each),
        "quantline.calibration_sha256": manifest["calibration"]["sha256"],
        "quantline.evaluation_sha256": manifest["evaluation"]["sha256"],
        "quantline.source_model_sha256": imported["source"]["sha256"],
        "quantline.float_model_sha256": recipe["float_model_sha256"],
        "quantline.int8_model_sha256": recipe["int8_model_sha256"],
    }


class _translated:
    """Turns whatever MLflow raises into one error of ours."""

    def __init__(self, action: str) -> None:
        self._action = action

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, _: Any) -> None:
        if isinstance(error, Exception) and not isinstance(error, QuantlineError):
            raise TrackingFailed(
                f"MLflow could not {self._action}",
                found=f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}",
                expected="a tracking store that answers",
                remedy="Check MLFLOW_TRACKING_URI and conf/base/mlflow.yml; the results of the "
                "stages are on disk and are kept",
            ) from error
