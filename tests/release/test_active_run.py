"""The run of a chain: seen while it runs, and closed by whatever ends it, SIGKILL too."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import re
import shutil
import signal
from collections import Counter
from dataclasses import replace
from functools import partialmethod
from typing import TYPE_CHECKING, Any

import pytest
from mlflow import MlflowClient
from tests.release.candidates import PARAMETERS, candidate

from quantline.errors import MismatchError
from quantline.files import canonical_json
from quantline.release import open_runs
from quantline.release.active_run import ActiveRun, close_abandoned
from quantline.release.record import record
from quantline.release.tracking import Project, connect

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FORK = multiprocessing.get_context("fork")
SETTINGS = {"tracking_uri": None, "experiment": "quantline"}


@pytest.fixture(scope="module")
def written(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder with what the stages wrote, and a store without a run."""
    folder = tmp_path_factory.mktemp("written") / "project"
    made = candidate(folder, 1, SETTINGS)
    shutil.copy(empty_store, made.folder / "mlflow.db")
    return folder


@pytest.fixture
def project(written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    return copied(written, tmp_path / "project")


def copied(written: Path, folder: Path) -> Project:
    shutil.copytree(written, folder)
    names = ("summary", "float_import", "gate", "manifest", "recipe")
    files = {name: folder / f"{name}.json" for name in names}
    files |= {
        "int8_model": folder / "int8.tflite",
        "golden_vectors": folder / "vectors.npz",
        "ranges": folder / "recorded.json",
    }
    return Project(folder, SETTINGS, files)


def running(project: Project, client: Callable[[Any], Any] = lambda made: made) -> ActiveRun:
    store = connect(project)
    return ActiveRun(replace(store, client=client(store.client)), project, ["retrain"], "shirts")


def chain(project: Project, client: Callable[[Any], Any] = lambda made: made) -> None:
    """Do what a chain does with its run from its start to its end."""
    close_abandoned(project)
    mine = running(project, client)
    mine.open()
    mine.at("sampling")
    store = connect(project)
    record(replace(store, client=client(store.client)), replace(project, running=mine), PARAMETERS)
    mine.finish()


def runs(project: Project) -> list[Any]:
    """Return the runs, newest first."""
    client = MlflowClient(f"sqlite:///{project.folder / 'mlflow.db'}")
    found = client.get_experiment_by_name("quantline")
    return [] if found is None else list(client.search_runs([found.experiment_id]))


def models(project: Project) -> list[str]:
    """Return the status of every logged model."""
    client = MlflowClient(f"sqlite:///{project.folder / 'mlflow.db'}")
    found = client.get_experiment_by_name("quantline")
    return [] if found is None else [
        model.status for model in client.search_logged_models([found.experiment_id])
    ]  # fmt: skip


def left(project: Project) -> list[Any]:
    path = project.folder / "data" / open_runs.FILE
    return json.loads(path.read_bytes())["runs"] if path.exists() else []


def test_a_chain_is_seen_while_it_runs(project: Project) -> None:
    mine = running(replace(project, environment="nights"))
    mine.open()
    mine.at("conversion")
    (run,) = runs(project)
    assert run.info.status == "RUNNING"
    assert re.fullmatch(r"shirts nights 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d", run.info.run_name)
    told = {key.removeprefix("quantline."): value for key, value in run.data.tags.items()}
    assert (told["environment"], told["pipelines"], told["stage"], told["pid"]) == (
        "nights", "retrain", "conversion", str(os.getpid()),
    )  # fmt: skip
    assert told["host"]
    assert [entry["run_id"] for entry in left(project)] == [run.info.run_id]


def test_a_chain_that_ends_with_a_release_is_one_run(project: Project) -> None:
    chain(project)
    (run,) = runs(project)
    assert run.info.status == "FINISHED"
    assert re.fullmatch(r"shirts 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d", run.info.run_name)
    assert run.data.metrics["int8.top1"] == 0.5
    assert left(project) == []
    chain(project)
    (again,) = runs(project)
    assert again.info.run_id == run.info.run_id, "the same files are the same release"
    assert models(project) == ["READY"]


# After which call of its name a chain is killed: a new one, and one that finds its release begun.
STEPS = (
    "put 1", "create_run 1", "put 2", "set_tag 2", "log_batch 1", "log_artifact 1",
    "create_logged_model 1", "log_model_artifacts 1", "finalize_logged_model 1", "set_tag 3",
    "set_terminated 1", "drop 1",
)  # fmt: skip
STEPS_OF_ANOTHER = ("put 3", "delete_run 1", "update_run 1", "delete_tag 1")


class Dying:
    """Calls that are counted by name, after one of which the process dies of SIGKILL."""

    def __init__(self, step: str) -> None:
        self.step = step
        self.met: Counter[str] = Counter()

    def __call__(self, client: Any) -> Any:
        dying = self

        class Client:
            def __getattr__(self, name: str) -> Any:
                return dying.counted(getattr(client, name), name)

        return Client()

    def counted(self, call: Callable[..., Any], name: str) -> Callable[..., Any]:
        def counted(*arguments: Any, **named: Any) -> Any:
            result = call(*arguments, **named)
            self.met[name] += 1
            if f"{name} {self.met[name]}" == self.step:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return counted


def kill(project: Project, step: str) -> None:
    """Run a chain that is killed after this step, in a process of its own."""
    dying = Dying(step)

    def run() -> None:
        for name in ("put", "drop"):
            counted = dying.counted(getattr(open_runs.OpenRuns, name), name)
            setattr(open_runs.OpenRuns, name, partialmethod(counted))
        chain(project, dying)

    process = FORK.Process(target=run)
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL


def check_nothing_is_open(project: Project) -> None:
    assert left(project) == []
    assert {run.info.status for run in runs(project)} <= {"KILLED", "FINISHED"}
    assert set(models(project)) <= {"READY"}


def check_there_is_one_record(project: Project) -> None:
    check_nothing_is_open(project)
    (complete,) = (run for run in runs(project) if "quantline.model_id" in run.data.tags)
    assert complete.info.status == "FINISHED"
    assert "quantline.failed_stage" not in complete.data.tags
    released = [run for run in runs(project) if "quantline.release_id" in run.data.tags]
    assert len(released) == 1, "one run a release"


@pytest.mark.parametrize("step", STEPS)
def test_a_chain_killed_at_each_step(project: Project, step: str) -> None:
    """The next single stage closes the run, and the chain after that has one complete run."""
    kill(project, step)
    close_abandoned(project)
    check_nothing_is_open(project)
    for run in runs(project):
        if run.info.status == "KILLED":
            assert "was gone" in run.data.tags["quantline.abandoned"]
            assert run.data.tags["quantline.failed_stage"] in {"start", "sampling"}
    chain(project)
    check_there_is_one_record(project)


@pytest.mark.parametrize("step", STEPS_OF_ANOTHER)
def test_a_chain_that_goes_on_with_a_killed_release_and_is_killed_itself(
    project: Project, step: str
) -> None:
    kill(project, "log_artifact 1")
    (first,) = runs(project)
    kill(project, step)
    chain(project)
    check_there_is_one_record(project)
    (complete,) = (run for run in runs(project) if "quantline.model_id" in run.data.tags)
    assert complete.info.run_id == first.info.run_id


def test_a_release_is_known_by_its_files_before_any_work_on_it(project: Project) -> None:
    mine = running(project)
    mine.open()
    mine.begin_release(project.files)  # and then it is killed
    (first,) = runs(project)
    close_abandoned(project)
    again = running(project)
    again.open()
    again.begin_release(project.files)
    (run,) = runs(project)
    assert (run.info.run_id, run.info.status) == (first.info.run_id, "RUNNING")
    assert "quantline.abandoned" not in run.data.tags
    record(connect(project), replace(project, running=again), PARAMETERS)
    again.finish()
    check_there_is_one_record(project)
    project.files["gate"].write_text("{")
    again.begin_release(project.files)


def test_a_killed_release_is_no_record_of_other_results(project: Project) -> None:
    kill(project, "log_model_artifacts 1")
    summary = json.loads(project.files["manifest"].read_bytes())
    project.files["manifest"].write_bytes(canonical_json({**summary, "more": 1}))
    chain(project)
    check_nothing_is_open(project)
    assert [run.info.status for run in runs(project)] == ["FINISHED", "KILLED"]


def test_a_failed_release_goes_on_as_the_same_run(project: Project) -> None:
    golden = project.files["golden_vectors"]
    whole = golden.read_bytes()
    close_abandoned(project)
    mine = running(project)
    mine.open()
    trained = project.folder / "trained.keras"
    content = trained.read_bytes()
    trained.write_bytes(b"another")
    with pytest.raises(MismatchError, match=r"changed since it was imported.*import_model") as why:
        record(connect(project), replace(project, running=mine), PARAMETERS)
    mine.end("FAILED", "release", why.value, {"of": "the moment"})
    (failed,) = runs(project)
    assert failed.info.status == "FAILED"
    assert failed.data.params == {}, "a release has the parameters of its results"
    assert golden.read_bytes() == whole
    trained.write_bytes(content)
    chain(project)
    (run,) = runs(project)
    assert run.info.run_id == failed.info.run_id
    assert run.info.status == "FINISHED"
    assert "quantline.error" not in run.data.tags


def test_a_chain_that_fails_after_a_release_of_old_leaves_that_as_it_is(project: Project) -> None:
    chain(project)
    mine = running(project)
    mine.open()
    record(connect(project), replace(project, running=mine), PARAMETERS)
    mine.end("FAILED", "release", ValueError("rolled back"), {})
    failed, first = runs(project)
    assert (failed.info.status, first.info.status) == ("FAILED", "FINISHED")
    assert "quantline.release_id" not in failed.data.tags
    assert "quantline.error" not in first.data.tags


def test_a_store_that_failed_is_told_by_the_next_run_how_the_chain_ended(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    mine = running(project)
    mine.open()
    kept = (project.folder / "mlflow.db").read_bytes()
    (project.folder / "mlflow.db").write_text("hello")
    with caplog.at_level(logging.WARNING):
        mine.at("conversion")
        mine.at("validation")
        mine.end("FAILED", "validation", ValueError("at http://me:s3cr3t@host"), {})
        close_abandoned(project)
    assert caplog.text.count("MLflow could not name the stage") == 1
    assert "MLflow could not record the failure" in caplog.text
    assert "The next run tries again" in caplog.text
    (project.folder / "mlflow.db").write_bytes(kept)
    close_abandoned(project)
    (run,) = runs(project)
    assert run.info.status == "FAILED"
    assert run.data.tags["quantline.failed_stage"] == "validation"
    assert run.data.tags["quantline.error"] == "at http://***@host"
    assert left(project) == []


def test_a_run_of_another_store_is_closed_there(project: Project, empty_store: Path) -> None:
    other = project.folder / "other.db"
    shutil.copy(empty_store, other)
    running(replace(project, mlflow={**SETTINGS, "tracking_uri": f"sqlite:///{other}"})).open()
    close_abandoned(project)
    assert left(project) == []
    client = MlflowClient(f"sqlite:///{other}")
    found = client.get_experiment_by_name("quantline")
    assert [run.info.status for run in client.search_runs([found.experiment_id])] == ["KILLED"]


def test_a_project_that_was_moved_closes_its_run(project: Project, tmp_path: Path) -> None:
    running(project).open()
    moved = project.folder.rename(tmp_path / "moved")
    there = replace(project, folder=moved)
    close_abandoned(there)
    assert left(there) == []
    assert [run.info.status for run in runs(there)] == ["KILLED"]


def test_what_cannot_be_reached_is_kept_and_what_is_gone_is_forgotten(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    book = open_runs.OpenRuns(project.folder / "data")
    entry = open_runs.Entry("http://***@127.0.0.1:9", "1", "a", "b", "here", "1")
    book.put(entry)
    book.put(replace(entry, uri=f"sqlite:///{project.folder / 'gone.db'}", known_by="c"))
    close_abandoned(project)
    assert [item["known_by"] for item in left(project)] == ["a"]
    assert "could not close the run that an earlier process left open" in caplog.text
    assert not (project.folder / "gone.db").exists()
    chain(project)
    assert [run.info.status for run in runs(project)] == ["FINISHED"]
    assert [item["known_by"] for item in left(project)] == ["a"]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"runs": [{}]}', b'{"runs": {"a": 1}}', b'{"runs": null}']
)
def test_a_journal_that_is_none_is_taken_for_empty(project: Project, content: bytes) -> None:
    path = project.folder / "data" / open_runs.FILE
    path.parent.mkdir()
    path.write_bytes(content)
    close_abandoned(project)
    chain(project)
    assert not path.exists()


def test_no_password_is_written(project: Project, quick: None) -> None:
    del quick
    settings = {**SETTINGS, "tracking_uri": "http://me:s3cr3t@127.0.0.1:9"}
    store = replace(connect(project), uri=settings["tracking_uri"])
    mine = ActiveRun(store, replace(project, mlflow=settings), ["retrain"], "shirts")
    mine.open()
    assert b"s3cr3t" not in (project.folder / "data" / open_runs.FILE).read_bytes()
