"""The record of a run, in a real MLflow store."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.release.candidates import PARAMETERS, SUMMARY, TRAINED, candidate

from quantline.errors import ResultMissing, TrackingFailed
from quantline.files import sha256
from quantline.release.active_run import ActiveRun
from quantline.release.flatten import flatten
from quantline.release.record import Recorded, record
from quantline.release.tracking import connect

if TYPE_CHECKING:
    from pathlib import Path

    from quantline.release.tracking import Project

SETTINGS = {"tracking_uri": None, "experiment": "quantline"}


@pytest.fixture
def project(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project folder with what the stages wrote, and a store without a run."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    # A repository above the temporary folder is none of the project's.
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    made = candidate(tmp_path / "project", 1, SETTINGS)
    shutil.copy(empty_store, made.folder / "mlflow.db")
    return made


def runs(store: Path, experiment: str = "quantline") -> list[Any]:
    """Return the recorded runs, newest first."""
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{store}")
    found = client.get_experiment_by_name(experiment)
    return [] if found is None else client.search_runs([found.experiment_id])


def recorded(project: Project, parameters: dict[str, Any] = PARAMETERS) -> Recorded:
    return record(connect(project), project, parameters)


def fail(
    project: Project,
    parameters: dict[str, Any] | None = None,
    error: BaseException | None = None,
    status: str = "FAILED",
) -> None:
    """Record a run that failed: the quickest record there is."""
    running = ActiveRun(connect(project), project, ["__default__"], "shirts")
    running.open()
    running.end(status, "conversion", error or ValueError("why"), parameters or {})


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_nested_values_become_dotted_names() -> None:
    values = {
        "dataset": {"source": "npz", "transform": [{"rescale": {"scale": 0.5}}, {"cast": "int8"}]},
        "shape": [8, 8],
        "nothing": None,
        "empty": {},
    }
    assert dict(flatten(values)) == {
        "dataset.source": "npz",
        "dataset.transform.0.rescale.scale": 0.5,
        "dataset.transform.1.cast": "int8",
        "shape": [8, 8],
        "nothing": None,
    }


def test_a_complete_record(project: Project) -> None:
    result = recorded(project)
    (run,) = runs(project.folder / "mlflow.db")
    assert run.info.run_id == result.run_id
    assert run.info.status == "FINISHED"
    assert run.data.params == {"model.path": "trained.keras", "sampling.seed": "1"}
    assert run.data.metrics["float.top1"] == 0.75
    assert run.data.metrics["int8.top1"] == 0.5
    recipe = json.loads(project.files["recipe"].read_bytes())
    tags = {
        key.removeprefix("quantline."): value
        for key, value in run.data.tags.items()
        if key.startswith("quantline.") and key != "quantline.version"
    }
    assert json.loads(tags.pop("artifacts_sha256")) == {
        path.name: sha256(path.read_bytes())
        for name, path in project.files.items()
        if name not in {"summary", "gate"}  # they hold times
    }
    assert tags == {
        "release_id": result.release_id,
        "model_id": result.model_id,
        "verdict": "passed",
        "dataset": "tfds:fashion_mnist:3.0.1",
        "calibration_sha256": "c" * 64,
        "evaluation_sha256": "e" * 64,
        "source_model_sha256": sha256(TRAINED),
        "float_model_sha256": "f" * 64,
        "int8_model_sha256": recipe["int8_model_sha256"],
    }
    kept = project.folder / "mlartifacts" / run.info.run_id / "artifacts"
    assert {path.name: path.read_bytes() for path in kept.iterdir() if path.is_file()} == {
        path.name: path.read_bytes() for path in project.files.values()
    }
    assert (kept / "trained_model" / "trained.keras").read_bytes() == TRAINED


def test_the_same_files_are_one_record(project: Project) -> None:
    first = recorded(project)
    # What it was released with may change; what was released did not.
    again = recorded(project, {**PARAMETERS, "release": {"promotion": "after_approval"}})
    assert again == first
    project.files["gate"].write_text('{"verdict": "refused", "reasons": ["No."]}')
    other = recorded(project)
    assert other.run_id != first.run_id
    assert other.gate == {"verdict": "refused", "reasons": ["No."]}
    assert len(runs(project.folder / "mlflow.db")) == 2


def test_a_run_that_was_opened_twice_is_recorded_once(project: Project) -> None:
    """As two runs of one release leave it that begin at the same moment."""
    first = recorded(project)
    store = connect(project)
    tags = {"quantline.release_id": first.release_id}
    later = store.client.create_run(store.experiment_id, tags=tags)
    assert recorded(project).run_id == first.run_id
    (left,) = runs(project.folder / "mlflow.db")
    assert left.info.run_id == first.run_id != later.info.run_id


def test_a_failed_record(project: Project) -> None:
    fail(project, PARAMETERS, ValueError("x" * 9000))
    fail(project, {}, KeyboardInterrupt(), status="KILLED")
    killed, failed = runs(project.folder / "mlflow.db")
    assert failed.info.status == "FAILED"
    assert failed.data.params["sampling.seed"] == "1"
    assert failed.data.tags["quantline.failed_stage"] == "conversion"
    assert set(failed.data.tags["quantline.error"]) == {"x"}
    assert killed.info.status == "KILLED"
    assert killed.data.tags["quantline.error"] == "KeyboardInterrupt"


def test_more_values_than_mlflow_takes_at_once(project: Project) -> None:
    parameters = {
        **PARAMETERS, "many": {f"key{index}": index for index in range(250)}, "long": "y" * 20_000,
    }  # fmt: skip
    numbers = {f"key{index}": index / 2 for index in range(1250)}
    metrics = {**SUMMARY, "int8": {**SUMMARY["int8"], **numbers}}
    project.files["summary"].write_text(json.dumps(metrics))
    recorded(project, parameters)
    (run,) = runs(project.folder / "mlflow.db")
    assert run.data.params["many.key249"] == "249"
    assert set(run.data.params["long"]) == {"y"}
    assert len(run.data.params) == 253
    assert run.data.metrics["int8.key1249"] == 624.5


def test_the_commit_is_recorded_and_whether_it_is_what_ran(project: Project) -> None:
    folder = project.folder
    git(folder, "init", "--quiet")
    fail(project)  # nothing was committed yet
    (folder / "model.py").write_text("1")
    git(folder, "add", "model.py")
    git(folder, "commit", "--quiet", "--message", "first")
    fail(project)
    (folder / "model.py").write_text("2")
    fail(project)
    changed, clean, without = (run.data.tags for run in runs(folder / "mlflow.db"))
    assert "mlflow.source.git.commit" not in without
    commit = git(folder, "rev-parse", "HEAD")
    assert clean["mlflow.source.git.commit"] == changed["mlflow.source.git.commit"] == commit
    assert (clean["quantline.git_dirty"], changed["quantline.git_dirty"]) == ("False", "True")


def test_a_folder_that_is_not_in_git(project: Project) -> None:
    fail(project)
    (run,) = runs(project.folder / "mlflow.db")
    assert "mlflow.source.git.commit" not in run.data.tags
    assert run.data.tags["quantline.version"]


def test_the_environment_comes_before_the_settings(
    project: Project, empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("named.db", "environment.db"):
        shutil.copy(empty_store, tmp_path / name)
    settings = {"tracking_uri": f"sqlite:///{tmp_path / 'named.db'}", "experiment": "mine"}
    mine = replace(project, mlflow=settings)
    fail(mine, {"number": 1})
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'environment.db'}")
    fail(mine, {"number": 2})
    (named,) = runs(tmp_path / "named.db", "mine")
    (environment,) = runs(tmp_path / "environment.db", "mine")
    assert named.data.params == {"number": "1"}
    assert environment.data.params == {"number": "2"}
    assert runs(project.folder / "mlflow.db", "mine") == []


def test_a_store_that_cannot_be_used(project: Project) -> None:
    (project.folder / "mlflow.db").write_text("hello")
    with pytest.raises(TrackingFailed, match=r"MLflow could not open the tracking store 'sqlite:"):
        connect(project)


def test_a_store_that_breaks_during_the_run(project: Project) -> None:
    store = connect(project)
    (project.folder / "mlflow.db").write_text("hello")
    with pytest.raises(TrackingFailed, match=r"MLflow could not record the results.*is kept"):
        record(store, project, PARAMETERS)


def test_an_experiment_that_was_deleted(project: Project) -> None:
    store = connect(project)
    store.client.delete_experiment(store.experiment_id)
    with pytest.raises(TrackingFailed, match=r"'quantline' takes no runs.*was deleted.*restore"):
        connect(project)


@pytest.mark.parametrize(
    ("uri", "found"),
    [
        ("http://me:secret@127.0.0.1:9", r"Connection refused"),
        ("http://no-such-host.invalid", r"not known|resolution"),
        ("carrierpigeon://me:secret@home", r"unsupported URI"),
        ("postgresql+nodriver://me:secret@127.0.0.1/mlflow", r"nodriver"),
    ],
)
def test_a_wrong_address_is_told_without_its_password(
    project: Project, monkeypatch: pytest.MonkeyPatch, uri: str, found: str
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(TrackingFailed, match=found) as caught:
        connect(replace(project, mlflow={"tracking_uri": uri, "experiment": "any"}))
    assert "open the tracking store" in caught.value.what
    assert "secret" not in str(caught.value)


def test_a_file_that_is_missing(project: Project) -> None:
    project.files["golden_vectors"].unlink()
    with pytest.raises(ResultMissing, match=r"vectors\.npz"):
        recorded(project)
    assert runs(project.folder / "mlflow.db") == []
