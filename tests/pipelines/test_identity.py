"""A verdict belongs to one model: results of different runs never meet in a release."""

from __future__ import annotations

import json
import os
import re
import shutil
import threading
from typing import TYPE_CHECKING, Any

import pytest

from quantline.run_lock import RunLock

if TYPE_CHECKING:
    from pathlib import Path

POOR = (
    "conversion.ranges.method=percentile,conversion.ranges.percentile=60.0,"
    "conversion.lost_outputs=warn"
)


def edit(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_bytes()), **values}))


def test_a_verdict_is_not_taken_for_another_model(released: Any, give: Any) -> None:
    status, paragraph = give("--pipelines", "conversion", "--params", POOR)
    assert status == 0, paragraph
    before = released.json("08_reporting/release.json")
    status, paragraph = give("--pipelines", "release", "--params", POOR)
    assert status == 2
    assert "do not belong together" in paragraph
    assert "were not made from 'data/06_models/int8.tflite' as it is now" in paragraph
    assert released.json("08_reporting/release.json") == before
    assert [run.info.status for run in released.runs()] == ["FAILED", "FINISHED"]

    # The command that the error names makes them again, under the same parameters.
    (nodes,) = re.findall(r"--from-nodes (\S+)'", paragraph)
    status, paragraph = give("--from-nodes", nodes, "--params", POOR)
    outcome = released.json("08_reporting/release.json")
    assert outcome != before
    # On 120 examples the poor model may be undecided as well; it is judged, and that is the point.
    judged = {(0, "promoted"), (1, "refused"), (1, "undecided")}
    assert (status, outcome["outcome"]) in judged, paragraph
    assert released.runs()[0].data.params["conversion.ranges.percentile"] == "60.0"


@pytest.mark.parametrize(
    ("name", "values", "node"),
    [
        ("gate", {"verdict": "refused", "reasons": []}, "judge_candidate"),
        ("int8_metrics", {"top1": 0.9999}, "predict_int8"),
        ("comparison", {"agreement": 0.5}, "compare_models"),
        ("summary", {"int8": {"top1": 0.9999}}, "write_summary"),
    ],
)
def test_a_result_that_was_edited_is_refused(
    released: Any, give: Any, name: str, values: dict[str, Any], node: str
) -> None:
    edit(released.folder / f"data/08_reporting/{name}.json", **values)
    status, paragraph = give("--pipelines", "release")
    assert status == 2
    assert f"'data/08_reporting/{name}.json' was changed after it was written" in paragraph
    assert f"--from-nodes {node}'" in paragraph


def test_a_stage_refuses_results_of_another_run(released: Any, give: Any) -> None:
    assert give("--pipelines", "sampling", "--params", "sampling.seed=5")[0] == 0
    status, paragraph = give("--pipelines", "conversion")
    assert status == 2
    assert "'data/03_primary/manifest.json'" in paragraph
    status, paragraph = give("--pipelines", "calibration,conversion")
    assert status == 2
    assert "--from-nodes import_model" in paragraph


def test_results_of_another_version_are_refused(released: Any, give: Any) -> None:
    path = released.folder / "data/08_reporting/gate.json"
    values = json.loads(path.read_bytes())
    del values["made_from"]
    path.write_text(json.dumps(values))
    status, paragraph = give("--pipelines", "report")
    assert status == 2
    assert "'data/08_reporting/gate.json' is damaged, or does not say" in paragraph


def test_an_environment_has_results_of_its_own(released: Any, give: Any) -> None:
    before = released.written()
    for name in ("left", "right"):
        (released.folder / "conf" / name).mkdir()
    sampling = released.parameters()["sampling"]
    sampling["evaluation"]["examples"] = 60
    (released.folder / "conf/left/parameters.yml").write_text(
        json.dumps({**released.parameters(), "sampling": sampling})
    )
    shutil.copy(released.folder / "conf/left/parameters.yml", released.folder / "conf/right")
    status, line = give("--env", "left", "--pipelines", "sampling,baseline")
    assert status == 0, line
    here = {path for path in released.written() if path.startswith("left/")}
    assert {"left/03_primary/manifest.json", "left/06_models/float.tflite"} <= here
    assert released.written() - here == before
    assert len(released.json("03_primary/manifest.json")["evaluation"]["examples"]) == 120
    status, paragraph = give("--env", "right", "--pipelines", "preflight")
    assert status == 2
    assert "data/right/06_models/float.tflite' cannot be read. Found: no such file" in paragraph


def test_the_name_and_the_parameters_are_those_of_the_results(
    released: Any, give: Any, store: Path
) -> None:
    status, paragraph = give("--pipelines", "release", "--params", "release.model=other")
    assert status == 2
    assert "The verdict is about another registered model" in paragraph
    assert "'model'" in paragraph
    assert "--from-nodes fetch_champion" in paragraph

    shutil.copy(store, released.folder)  # in which nothing is recorded yet
    other = "sampling.calibration.examples=7,conversion.timeout_s=5,model.path=gone.keras"
    assert give("--from-nodes", "write_summary", "--params", other)[0] == 0
    assert released.json("08_reporting/release.json")["model"] == "model"
    parameters = released.runs()[0].data.params
    assert parameters["sampling.calibration.examples"] == "40"
    assert parameters["model.path"] == "data/01_raw/model.keras"
    assert parameters["dataset.npz.x"] == "x"
    assert not [name for name in parameters if name.startswith(("training.", "dataset.tfds"))]


def test_rules_that_were_changed_since_the_verdict_need_another_one(give: Any) -> None:
    rules = "gate.absolute.int8_metrics.top1.min=1.01"
    status, paragraph = give("--pipelines", "release", "--params", rules)
    assert status == 2
    assert "The verdict is not that of the model that is to be released" in paragraph
    assert "--from-nodes judge_candidate" in paragraph
    status, paragraph = give("--from-nodes", "judge_candidate", "--params", rules)
    assert status == 1
    assert "is refused" in paragraph


def test_two_runs_at_once_do_not_mix(released: Any, give: Any) -> None:
    lock = RunLock.acquire(released.folder / "data")
    before = released.written()
    status, paragraph = give("--pipelines", "sampling")
    assert status == 75
    assert paragraph.startswith("Another run is at work in ")
    assert f"process {os.getpid()} on " in paragraph
    assert released.written() == before

    threading.Timer(1.0, lock.release).start()
    status, line = give("--pipelines", "sampling", "--params", "limits.lock_wait_s=60")
    assert status == 0, line
    assert give("--pipelines", "sampling")[0] == 0, "the lock was given back"


def test_a_run_that_fails_gives_the_lock_back(give: Any) -> None:
    assert give("--pipelines", "sampling", "--params", "dataset.data_dir=nowhere")[0] == 2
    assert give("--pipelines", "sampling")[0] == 0
