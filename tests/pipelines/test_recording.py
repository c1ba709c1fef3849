"""Which runs are recorded, and what becomes of a run whose record cannot be kept."""

from __future__ import annotations

import re
from typing import Any

from quantline.release import open_runs
from quantline.release.active_run import ActiveRun
from quantline.release.tracking import Project, connect

# Writes over the store in the middle of a run, as a full or broken disk would.
SPOIL = """
from pathlib import Path
def spoil(value):
    Path("mlflow.db").write_text("not a store any more")
    raise ValueError("spoiled")
"""


def test_a_mistake_before_the_first_node_is_not_recorded(project: Any, kedro_run: Any) -> None:
    assert kedro_run("--params", "sampling.seed=-1")[0] == 2
    assert project.runs() == []


def test_a_failed_run_is_recorded_with_its_stage_and_reason(project: Any, kedro_run: Any) -> None:
    status, paragraph = kedro_run("--params", "sampling.calibration.examples=500")
    assert status == 2
    (run,) = project.runs()
    assert run.info.status == "FAILED"
    assert run.data.tags["quantline.failed_stage"] == "sampling"
    assert run.data.tags["quantline.error"] == paragraph
    assert run.data.params["sampling.calibration.examples"] == "500"
    assert run.data.metrics == {}
    assert re.fullmatch(r"model 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d", run.info.run_name)
    tags = {key.removeprefix("quantline."): value for key, value in run.data.tags.items()}
    assert (tags["environment"], tags["pipelines"]) == ("local", "__default__")
    assert not (project.folder / "data" / open_runs.FILE).exists()


def test_the_next_run_in_the_process_starts_afresh(project: Any, kedro_run: Any) -> None:
    for model, stage in (("sampling.calibration.examples=500", "sampling"),
                         ("model.path=nothing.keras", "baseline")):  # fmt: skip
        assert kedro_run("--params", model)[0] == 2
        assert project.runs()[0].data.tags["quantline.failed_stage"] == stage
    assert [run.info.status for run in project.runs()] == ["FAILED", "FAILED"]


def test_a_record_that_cannot_be_closed_does_not_hide_the_reason(project: Any) -> None:
    (project.folder / "spoil.py").write_text(SPOIL)
    status, _, err = project.run("--params", "dataset.transform=spoil:spoil")
    assert status == 2
    assert "Traceback" not in err
    assert "MLflow could not record the failure." in err
    last = err.strip().splitlines()[-1]
    assert last.startswith("The transform step 'spoil:spoil' failed.")
    assert "ValueError: spoiled" in last


def test_any_stage_closes_what_a_killed_run_left_open(project: Any, kedro_run: Any) -> None:
    settings = {"tracking_uri": None, "experiment": "quantline"}
    there = Project(project.folder, settings)
    ActiveRun(connect(there), there, ["retrain"], "model").open()
    assert [run.info.status for run in project.runs()] == ["RUNNING"]
    status, paragraph = kedro_run("--pipelines", "preflight")
    assert (status, "float.tflite" in paragraph) == (2, True), "it has nothing to work on"
    assert [run.info.status for run in project.runs()] == ["KILLED"]
    assert not (project.folder / "data" / open_runs.FILE).exists()


def test_no_password_is_recorded(project: Any, kedro_run: Any) -> None:
    command = "false http://me:s3cr3t@host?token=s3cr3t"
    assert kedro_run("--params", f"sampling.seed=1,sampling.calibration.examples=500,"
                                 f"release.notify={command}")[0] == 2  # fmt: skip
    (run,) = project.runs()
    assert run.data.params["release.notify"] == "***", "a command of the user's may say anything"
    assert "s3cr3t" not in str(run.data)


def test_a_store_that_is_none_stops_the_run_before_it_starts(project: Any, kedro_run: Any) -> None:
    (project.folder / "mlflow.db").write_text("hello")
    status, paragraph = kedro_run()
    assert status == 2
    assert "MLflow could not open the tracking store" in paragraph
    assert "file is not a database" in paragraph
    assert project.written() == set()
