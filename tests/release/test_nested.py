"""Runs that a training opens by MLflow itself, in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from quantline.release.active_run import ActiveRun
from quantline.release.tracking import Project, Store, connect

if TYPE_CHECKING:
    from pathlib import Path

# As a training does that uses MLflow, which may be ended before it closes its run.
LOGS = "import mlflow, os, sys; mlflow.log_metric('loss', 0.5, step=3); {end}"
KILLED, ENDED = "os.kill(os.getpid(), 9)", "sys.exit(0)"
GIVEN = {"MLFLOW_RUN_CONTEXT": '{"who": "me"}'}


@pytest.fixture
def project(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_ID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in GIVEN.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    return Project(tmp_path, {"tracking_uri": None, "experiment": "quantline"})


def opened(project: Project) -> tuple[Store, ActiveRun]:
    store = connect(project)
    running = ActiveRun(store, project, ["retrain"], "shirts", {"team": "vision"})
    running.open()
    return store, running


def train(running: ActiveRun, end: str) -> None:
    before = dict(os.environ)
    with running.lent():
        done = subprocess.run([sys.executable, "-c", LOGS.format(end=end)], check=False)
    assert done.returncode == (-signal.SIGKILL if end == KILLED else 0)
    assert dict(os.environ) == before


def runs(store: Store) -> dict[str | None, Any]:
    """Return the runs by the ids of their parents."""
    found = store.client.search_runs([store.experiment_id])
    return {run.data.tags.get("mlflow.parentRunId"): run for run in found}


def test_a_training_that_is_killed_leaves_no_run_open(project: Project) -> None:
    store, running = opened(project)
    parent = runs(store)[None]
    assert parent.data.tags["team"] == "vision", "a tag of one's own, from the start"
    train(running, KILLED)
    nested = runs(store)[parent.info.run_id]
    assert (nested.info.status, nested.data.metrics) == ("RUNNING", {"loss": 0.5})
    assert nested.info.run_name == "training"
    assert nested.data.tags["who"] == "me", "what was given before is given too"
    running.end("FAILED", "training", ValueError("killed"), {})
    assert {run.info.status for run in runs(store).values()} == {"FAILED", "KILLED"}
    assert runs(store)[parent.info.run_id].info.status == "KILLED"


def test_runs_of_a_chain_that_is_forgotten_are_forgotten_with_it(project: Project) -> None:
    store, running = opened(project)
    parent = runs(store)[None]
    train(running, ENDED)
    assert runs(store)[parent.info.run_id].info.status == "FINISHED"
    running.finish(nothing_released=True)
    assert runs(store) == {}


@pytest.mark.parametrize("given", ["hello", "[]", ""])
def test_variables_that_are_not_as_mlflow_wants_them_are_replaced(
    project: Project, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv("MLFLOW_RUN_CONTEXT", given)
    store, running = opened(project)
    with running.lent():
        tags = json.loads(os.environ["MLFLOW_RUN_CONTEXT"])
    assert tags == {
        "mlflow.parentRunId": runs(store)[None].info.run_id, "mlflow.runName": "training",
    }  # fmt: skip
    assert os.environ["MLFLOW_RUN_CONTEXT"] == given
