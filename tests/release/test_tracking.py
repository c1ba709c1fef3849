"""The record of a run, in a real MLflow store."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from quantline.errors import TrackingFailed
from quantline.release import start_run
from quantline.release.tracking import flatten

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = {"tracking_uri": None, "experiment": "quantline"}
READ = {
    "summary": {
        "float": {"top1": 0.75, "size_bytes": 4000, "evidence": "measured"},
        "int8": {"top1": 0.5},
        "integer_only": {"integer_only": True, "input_types": ["int8"]},
    },
    "manifest": {
        "dataset": {"source": "tfds", "name": "fashion_mnist", "version": "3.0.1"},
        "calibration": {"sha256": "c" * 64},
        "evaluation": {"sha256": "e" * 64},
    },
    "recipe": {"float_model_sha256": "f" * 64, "int8_model_sha256": "8" * 64},
    "float_import": {"source": {"sha256": "5" * 64}},
}


@pytest.fixture
def project(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    # A repository above the temporary folder is none of the project's.
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    folder = tmp_path / "project"
    folder.mkdir()
    shutil.copy(empty_store, folder / "mlflow.db")
    return folder


def runs(store: Path, experiment: str = "quantline") -> list[Any]:
    """Return the recorded runs, newest first."""
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{store}")
    found = client.get_experiment_by_name(experiment)
    return [] if found is None else client.search_runs([found.experiment_id])


def results(folder: Path, **changed: Any) -> dict[str, Path]:
    """Write the files that a record is completed from."""
    folder.mkdir()
    paths = {name: folder / f"{name}.json" for name in READ}
    for name, path in paths.items():
        path.write_text(json.dumps({**READ[name], **changed.get(name, {})}))
    paths["int8_model"] = folder / "int8.tflite"
    paths["int8_model"].write_bytes(b"model")
    return paths


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


def test_a_complete_record(project: Path) -> None:
    run = start_run(project, SETTINGS, {"model": {"path": "a.keras"}, "sampling": {"seed": 1}})
    (open_,) = runs(project / "mlflow.db")
    assert open_.info.status == "RUNNING"
    assert open_.data.params == {"model.path": "a.keras", "sampling.seed": "1"}

    paths = results(project / "results")
    run.complete(paths)
    (closed,) = runs(project / "mlflow.db")
    assert closed.info.run_id == run.run_id
    assert closed.info.status == "FINISHED"
    assert closed.data.metrics == {
        "float.top1": 0.75,
        "float.size_bytes": 4000,
        "int8.top1": 0.5,
        "integer_only.integer_only": 1,
    }
    tags = {
        key.removeprefix("quantline."): value
        for key, value in closed.data.tags.items()
        if key.startswith("quantline.") and key != "quantline.version"
    }
    assert tags == {
        "dataset": "tfds:fashion_mnist:3.0.1",
        "calibration_sha256": "c" * 64,
        "evaluation_sha256": "e" * 64,
        "source_model_sha256": "5" * 64,
        "float_model_sha256": "f" * 64,
        "int8_model_sha256": "8" * 64,
    }
    kept = project / "mlartifacts" / run.run_id / "artifacts"
    assert {each.name: each.read_bytes() for each in kept.iterdir()} == {
        path.name: path.read_bytes() for path in paths.values()
    }


def test_a_failed_record(project: Path) -> None:
    error = ValueError("x" * 9000)
    start_run(project, SETTINGS, {}).fail("FAILED", "conversion", error)
    start_run(project, SETTINGS, {}).fail("KILLED", "start", KeyboardInterrupt())
    killed, failed = runs(project / "mlflow.db")
    assert failed.info.status == "FAILED"
    assert failed.data.tags["quantline.failed_stage"] == "conversion"
    assert set(failed.data.tags["quantline.error"]) == {"x"}
    assert killed.info.status == "KILLED"
    assert killed.data.tags["quantline.error"] == "KeyboardInterrupt"


def test_more_values_than_mlflow_takes_at_once(project: Path) -> None:
    parameters = {"many": {f"key{index}": index for index in range(250)}, "long": "y" * 20_000}
    run = start_run(project, SETTINGS, parameters)
    metrics = {"float": {f"key{index}": index / 2 for index in range(1250)}}
    run.complete(results(project / "results", summary=metrics))
    (recorded,) = runs(project / "mlflow.db")
    assert recorded.data.params["many.key249"] == "249"
    assert set(recorded.data.params["long"]) == {"y"}
    assert len(recorded.data.params) == 251
    assert recorded.data.metrics["float.key1249"] == 624.5


def test_the_commit_is_recorded_and_whether_it_is_what_ran(project: Path) -> None:
    git(project, "init", "--quiet")
    start_run(project, SETTINGS, {})  # nothing was committed yet
    (project / "model.py").write_text("1")
    git(project, "add", "model.py")
    git(project, "commit", "--quiet", "--message", "first")
    start_run(project, SETTINGS, {})
    (project / "model.py").write_text("2")
    start_run(project, SETTINGS, {})
    changed, clean, without = (run.data.tags for run in runs(project / "mlflow.db"))
    assert "mlflow.source.git.commit" not in without
    commit = git(project, "rev-parse", "HEAD")
    assert clean["mlflow.source.git.commit"] == changed["mlflow.source.git.commit"] == commit
    assert (clean["quantline.git_dirty"], changed["quantline.git_dirty"]) == ("False", "True")


def test_a_folder_that_is_not_in_git(project: Path) -> None:
    start_run(project, SETTINGS, {})
    (run,) = runs(project / "mlflow.db")
    assert "mlflow.source.git.commit" not in run.data.tags
    assert run.data.tags["quantline.version"]


def test_the_environment_comes_before_the_settings(
    project: Path, empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("named.db", "environment.db"):
        shutil.copy(empty_store, tmp_path / name)
    settings = {"tracking_uri": f"sqlite:///{tmp_path / 'named.db'}", "experiment": "mine"}
    start_run(project, settings, {"number": 1})
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'environment.db'}")
    start_run(project, settings, {"number": 2})
    (named,) = runs(tmp_path / "named.db", "mine")
    (environment,) = runs(tmp_path / "environment.db", "mine")
    assert named.data.params == {"number": "1"}
    assert environment.data.params == {"number": "2"}
    assert runs(project / "mlflow.db", "mine") == []


def test_a_store_that_cannot_be_used(project: Path) -> None:
    (project / "mlflow.db").write_text("hello")
    with pytest.raises(TrackingFailed, match=r"MLflow could not open the tracking store 'sqlite:"):
        start_run(project, SETTINGS, {})


def test_a_store_that_breaks_during_the_run(project: Path) -> None:
    run = start_run(project, SETTINGS, {})
    paths = results(project / "results")
    (project / "mlflow.db").write_text("hello")
    with pytest.raises(TrackingFailed, match=r"MLflow could not record the results.*are kept"):
        run.complete(paths)
    with pytest.raises(TrackingFailed, match="MLflow could not record the failure"):
        run.fail("FAILED", "report", ValueError("why"))


def test_an_experiment_that_was_deleted(project: Path) -> None:
    from mlflow import MlflowClient

    start_run(project, SETTINGS, {})
    client = MlflowClient(f"sqlite:///{project / 'mlflow.db'}")
    client.delete_experiment(client.get_experiment_by_name("quantline").experiment_id)
    with pytest.raises(TrackingFailed, match="deleted"):
        start_run(project, SETTINGS, {})
