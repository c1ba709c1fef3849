"""A verdict belongs to one model: results of different runs never meet in a release."""

from __future__ import annotations

import json
import os
import re
import shutil
import threading
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from kedro.framework.startup import bootstrap_project
from tests.pipelines.conftest import ROOT

from quantline.cli import cli
from quantline.run_lock import RunLock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

POOR = "conversion.ranges.method=percentile,conversion.ranges.percentile=60.0"


@pytest.fixture
def project(finished: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A copy of the finished project."""
    folder = tmp_path / "project"
    shutil.copytree(finished.folder, folder)
    monkeypatch.chdir(folder)
    bootstrap_project(folder)
    yield type(finished)(folder)
    os.chdir(ROOT)


@pytest.fixture
def run(project: Any) -> Callable[..., tuple[int, str]]:
    """Give 'kedro run' in this process; return its exit status and its last line."""
    del project

    def give(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(cli, ["run", *arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, "".join(result.stderr.strip().splitlines()[-1:])

    return give


def edit(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_bytes()), **values}))


def test_a_verdict_is_not_taken_for_another_model(project: Any, run: Any) -> None:
    assert run("--pipelines", "conversion", "--params", POOR)[0] == 0
    before = project.json("08_reporting/release.json")
    status, paragraph = run("--pipelines", "release", "--params", POOR)
    assert status == 2
    assert "do not belong together" in paragraph
    assert "were not made from 'data/06_models/int8.tflite' as it is now" in paragraph
    assert project.json("08_reporting/release.json") == before
    assert [each.info.status for each in project.runs()] == ["FAILED", "FINISHED"]

    # The command that the error names makes them again, under the same parameters.
    (nodes,) = re.findall(r"--from-nodes (\S+)'", paragraph)
    status, paragraph = run("--from-nodes", nodes, "--params", POOR)
    outcome = project.json("08_reporting/release.json")
    assert outcome != before
    assert (status, outcome["outcome"]) in {(0, "promoted"), (1, "refused")}
    assert project.runs()[0].data.params["conversion.ranges.percentile"] == "60.0"


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
    project: Any, run: Any, name: str, values: dict[str, Any], node: str
) -> None:
    edit(project.folder / f"data/08_reporting/{name}.json", **values)
    status, paragraph = run("--pipelines", "release")
    assert status == 2
    assert f"'data/08_reporting/{name}.json' was changed after it was written" in paragraph
    assert f"--from-nodes {node}'" in paragraph


def test_a_stage_refuses_results_of_another_run(project: Any, run: Any) -> None:
    assert run("--pipelines", "sampling", "--params", "sampling.seed=5")[0] == 0
    status, paragraph = run("--pipelines", "conversion")
    assert status == 2
    assert "'data/03_primary/manifest.json'" in paragraph
    status, paragraph = run("--pipelines", "calibration,conversion")
    assert status == 2
    assert "--from-nodes import_model" in paragraph


def test_results_of_another_version_are_refused(project: Any, run: Any) -> None:
    path = project.folder / "data/08_reporting/gate.json"
    values = json.loads(path.read_bytes())
    del values["made_from"]
    path.write_text(json.dumps(values))
    status, paragraph = run("--pipelines", "report")
    assert status == 2
    assert "'data/08_reporting/gate.json' is damaged, or does not say" in paragraph


def test_an_environment_has_results_of_its_own(project: Any, run: Any) -> None:
    before = project.written()
    for name in ("left", "right"):
        (project.folder / "conf" / name).mkdir()
    sampling = project.parameters()["sampling"]
    sampling["evaluation"]["examples"] = 60
    (project.folder / "conf/left/parameters.yml").write_text(
        json.dumps({**project.parameters(), "sampling": sampling})
    )
    shutil.copy(project.folder / "conf/left/parameters.yml", project.folder / "conf/right")
    status, line = run("--env", "left", "--pipelines", "sampling,baseline")
    assert status == 0, line
    here = {path for path in project.written() if path.startswith("left/")}
    assert {"left/03_primary/manifest.json", "left/06_models/float.tflite"} <= here
    assert project.written() - here == before
    assert len(project.json("03_primary/manifest.json")["evaluation"]["examples"]) == 120
    status, paragraph = run("--env", "right", "--pipelines", "preflight")
    assert status == 2
    assert "data/right/06_models/float.tflite' cannot be read. Found: no such file" in paragraph


def test_the_name_and_the_parameters_are_those_of_the_results(
    project: Any, run: Any, store: Path
) -> None:
    status, paragraph = run("--pipelines", "release", "--params", "release.model=other")
    assert status == 2
    assert "The verdict is about another registered model" in paragraph
    assert "'model'" in paragraph
    assert "--from-nodes fetch_champion" in paragraph

    shutil.copy(store, project.folder)  # in which nothing is recorded yet
    other = "sampling.calibration.examples=7,conversion.timeout_s=5,model.path=gone.keras"
    assert run("--from-nodes", "write_summary", "--params", other)[0] == 0
    assert project.json("08_reporting/release.json")["model"] == "model"
    parameters = project.runs()[0].data.params
    assert parameters["sampling.calibration.examples"] == "40"
    assert parameters["model.path"] == "data/01_raw/model.keras"
    assert parameters["dataset.npz.x"] == "x"
    assert not [name for name in parameters if name.startswith(("training.", "dataset.tfds"))]


def test_rules_that_were_changed_since_the_verdict_need_another_one(run: Any) -> None:
    rules = "gate.absolute.int8_metrics.top1.min=1.01"
    status, paragraph = run("--pipelines", "release", "--params", rules)
    assert status == 2
    assert "The verdict is not that of the model that is to be released" in paragraph
    assert "--from-nodes judge_candidate" in paragraph
    status, paragraph = run("--from-nodes", "judge_candidate", "--params", rules)
    assert status == 1
    assert "is refused" in paragraph


def test_two_runs_at_once_do_not_mix(project: Any, run: Any) -> None:
    lock = RunLock.acquire(project.folder / "data")
    before = project.written()
    status, paragraph = run("--pipelines", "sampling")
    assert status == 75
    assert paragraph.startswith("Another run is at work in ")
    assert f"process {os.getpid()} on " in paragraph
    assert project.written() == before

    threading.Timer(1.0, lock.release).start()
    status, line = run("--pipelines", "sampling", "--params", "limits.lock_wait_s=60")
    assert status == 0, line
    assert run("--pipelines", "sampling")[0] == 0, "the lock was given back"


def test_a_run_that_fails_gives_the_lock_back(run: Any) -> None:
    assert run("--pipelines", "sampling", "--params", "dataset.data_dir=nowhere")[0] == 2
    assert run("--pipelines", "sampling")[0] == 0
