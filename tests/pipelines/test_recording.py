"""Which runs are recorded, and what becomes of a run whose record cannot be kept."""

from __future__ import annotations

from typing import Any

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


def test_a_store_that_is_none_stops_the_run_before_it_starts(project: Any, kedro_run: Any) -> None:
    (project.folder / "mlflow.db").write_text("hello")
    status, paragraph = kedro_run()
    assert status == 2
    assert "MLflow could not open the tracking store" in paragraph
    assert "file is not a database" in paragraph
    assert project.written() == set()
