"""The schedules to copy: they parse, name what exists, and the script keeps its promises.

A stand-in for ``quantline`` is in the scratch project; docs/retraining.md shows real runs.
"""

from __future__ import annotations

import ast
import configparser
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from quantline import recipe
from quantline.pipeline_registry import register_pipelines

if TYPE_CHECKING:
    from collections.abc import Callable

PROJECT = Path(__file__).resolve().parents[1]
SCHEDULES = PROJECT / "schedules"
WHEN = "30 2 * * *"

QUANTLINE = """#!/usr/bin/env bash
trap 'echo terminated; exit 130' TERM
echo "$*" >>calls
[[ ${WAIT:-} ]] && touch running && for each in {1..200}; do sleep 0.05; [[ -e go ]] && break; done
echo 'a table'
echo 'the reason' >&2
exit "${STATUS:-0}"
"""
PYTHON = """#!/usr/bin/env bash
[[ ${BROKEN:-} ]] && echo 'ModuleNotFoundError: no quantline' >&2 && exit 1
exit 0
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project folder, with a blank in its name, whose commands are stand-ins."""
    folder = tmp_path / "my project"
    (folder / "schedules").mkdir(parents=True)
    (folder / "conf/local").mkdir(parents=True)
    shutil.copy(SCHEDULES / "retrain.sh", folder / "schedules")
    (folder / ".venv/bin").mkdir(parents=True)
    for name, text in (("quantline", QUANTLINE), ("python", PYTHON)):
        path = folder / ".venv/bin" / name
        path.write_text(text)
        path.chmod(0o755)
    return folder


def start(project: Path, *arguments: str, **env: str) -> subprocess.Popen[str]:
    # As cron starts it: from another folder, with next to no environment.
    return subprocess.Popen(
        [project / "schedules/retrain.sh", *arguments],
        cwd="/",
        env={"PATH": "/usr/bin:/bin", **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(project: Path, *arguments: str, **env: str) -> tuple[int, str, str]:
    process = start(project, *arguments, **env)
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def logs(project: Path) -> list[Path]:
    return sorted((project / "logs").glob("retrain-*.log"))


@pytest.mark.parametrize("status", [0, 1, 2, 137])
def test_a_night_passes_the_exit_status_on_and_keeps_a_log(project: Path, status: int) -> None:
    given, out, err = run(project, "a.b=1", "c=x", STATUS=str(status))
    assert given == status
    assert (project / "calls").read_text() == "run --pipelines retrain --params a.b=1,c=x\n"
    (log,) = logs(project)
    assert log.read_text() == out == "a table\nthe reason\n"
    if status:
        named = log.relative_to(project)
        assert err == f"retrain.sh: exit status {status}, see {named}: the reason\n"
    else:
        assert err == ""  # or cron would mail it


def test_without_arguments_the_parameters_are_those_of_the_project(project: Path) -> None:
    assert run(project)[0] == 0
    assert (project / "calls").read_text() == "run --pipelines retrain\n"


def test_a_second_night_is_turned_away_until_the_first_one_ends(project: Path) -> None:
    first = start(project, WAIT="1")
    until((project / "running").exists)
    status, out, err = run(project)
    assert (status, out) == (75, "")
    assert err == f"retrain.sh: another night is still running in {project}\n"
    (project / "go").touch()
    first.communicate(timeout=30)
    assert first.returncode == 0
    assert len(logs(project)) == 1
    assert run(project)[0] == 0


def test_the_lock_outlives_a_killed_script_for_as_long_as_its_run(project: Path) -> None:
    first = start(project, WAIT="1")
    until((project / "running").exists)
    first.kill()
    first.wait()
    assert run(project)[0] == 75
    (project / "go").touch()
    until(lambda: run(project)[0] == 0)
    first.communicate(timeout=30)


def test_what_ends_the_script_ends_the_run(project: Path) -> None:
    night = start(project, WAIT="1")
    until((project / "running").exists)
    night.send_signal(signal.SIGTERM)
    _, err = night.communicate(timeout=30)
    assert night.returncode == 130
    assert err.endswith(": terminated\n")


def test_environment_variables_come_from_a_file_of_ones_own(project: Path) -> None:
    (project / "conf/local/retrain.env").write_text("STATUS=7\n")
    assert run(project)[0] == 7


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        ("no environment", "quantline is not installed"),
        ("broken environment", "no quantline"),
        ("bad file of variables", "retrain.env failed"),
        ("no place for the log", "failed"),
    ],
)
def test_what_cannot_run_never_looks_like_a_refusal(project: Path, mistake: str, said: str) -> None:
    env = {}
    if mistake == "no environment":
        shutil.rmtree(project / ".venv")
        env["PATH"] = str(bare(project))
    elif mistake == "broken environment":
        env["BROKEN"] = "1"
    elif mistake == "bad file of variables":
        (project / "conf/local/retrain.env").write_text("false\n")
    else:
        (project / "logs").touch()
    status, _, err = run(project, **env)
    assert status == 2
    assert said in err.splitlines()[-1]
    assert not (project / "calls").exists()


def bare(project: Path) -> Path:
    """A folder with the few commands that the script needs, and no python."""
    folder = project / "bare"
    folder.mkdir()
    for name in ("bash", "env", "dirname", "readlink", "flock", "mkdir"):
        found = shutil.which(name)
        assert found is not None
        (folder / name).symlink_to(found)
    return folder


def test_the_pipeline_exists() -> None:
    named = re.findall(r"--pipelines (\w+)", (SCHEDULES / "retrain.sh").read_text())
    assert set(named) == {"retrain"}
    assert set(named) <= set(register_pipelines())


def given_parameters() -> dict[str, str]:
    """Every file of the folder, by what it gives the script."""
    found = {}
    for path in SCHEDULES.iterdir():
        for item in re.findall(r"retrain\.sh\"?,?\s+\"?([\w.]+)=", path.read_text()):
            found[path.name] = item
    return found


def test_every_schedule_gives_a_dataset_version_that_is_a_parameter() -> None:
    assert given_parameters() == {
        name: "dataset.tfds.version"
        for name in (
            "retrain.sh", "crontab", "quantline-retrain.service", "github-actions.yml",
            "airflow_dag.py",
        )
    }  # fmt: skip
    block: Any = recipe.Dataset
    for name in ("tfds", "version"):
        block = block.model_fields[name].annotation
    base = yaml.safe_load((PROJECT / "conf/base/parameters_sampling.yml").read_text())
    version = base["dataset"]["tfds"]["version"]
    for name in given_parameters():
        assert version in (SCHEDULES / name).read_text(), name


def test_the_nights_of_the_docs_are_an_environment_that_holds() -> None:
    merged: dict[str, Any] = {}
    for path in (PROJECT / "conf/base").glob("parameters*.yml"):
        merged |= yaml.safe_load(path.read_text())
    nights = yaml.safe_load((PROJECT / "conf/nights/parameters.yml").read_text())
    recipe.check_all(overlaid(merged, nights))


def overlaid(base: Any, over: Any) -> Any:
    if not (isinstance(base, dict) and isinstance(over, dict)):
        return over
    return {**base, **{key: overlaid(base.get(key), value) for key, value in over.items()}}


def test_the_crontab_has_one_line_that_a_shell_reads() -> None:
    (line,) = [
        part
        for part in (SCHEDULES / "crontab").read_text().splitlines()
        if not part.startswith("#")
    ]
    assert line.startswith(f"{WHEN} ")
    command = line.removeprefix(WHEN)
    assert "%" not in command  # to cron the end of the line
    subprocess.run(["sh", "-n", "-c", command], check=True)


def test_systemd_does_not_try_a_refused_candidate_again() -> None:
    service, timer = (unit(f"quantline-retrain.{kind}") for kind in ("service", "timer"))
    assert service["Service"]["Restart"] == "on-failure"
    assert service["Service"]["SuccessExitStatus"] == "1"
    assert service["Service"]["RestartPreventExitStatus"] == "75"
    assert service["Service"]["ExecStart"].startswith("%h/")
    assert timer["Timer"]["OnCalendar"] == "*-*-* 02:30"
    assert timer["Install"]["WantedBy"] == "timers.target"


def unit(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string((SCHEDULES / name).read_text())
    return parser


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    (tmp_path / "quantline").symlink_to(PROJECT)
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    units = [SCHEDULES / f"quantline-retrain.{kind}" for kind in ("service", "timer")]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", *units],
        env={**os.environ, "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(runtime)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def workflow() -> dict[Any, Any]:
    loaded: dict[Any, Any] = yaml.safe_load((SCHEDULES / "github-actions.yml").read_text())
    return loaded


def test_the_workflow_starts_at_night_and_by_hand(workflow: dict[Any, Any]) -> None:
    events = workflow[True]  # YAML 1.1 reads the key 'on' so
    assert events["schedule"] == [{"cron": WHEN}]
    assert "dataset_version" in events["workflow_dispatch"]["inputs"]
    assert workflow["concurrency"]["cancel-in-progress"] is False
    makefile = (PROJECT / "Makefile").read_text()
    target = step(workflow, "Install").removeprefix("make ")
    assert f"READY := {target}" in makefile


def step(workflow: dict[Any, Any], name: str) -> str:
    """Return what a step of the job runs."""
    (found,) = (item for item in workflow["jobs"]["retrain"]["steps"] if item.get("name") == name)
    return str(found["run"])


@pytest.mark.parametrize(
    ("status", "job", "annotation"),
    [("0", 0, ""), ("1", 0, "::warning title=Candidate refused::the reason"), ("2", 2, "")],
)
def test_a_refused_candidate_is_no_broken_job(
    project: Path, workflow: dict[Any, Any], status: str, job: int, annotation: str
) -> None:
    (project / "logs").mkdir()
    (project / "logs/retrain-2000-01-01T00-00-00Z.log").write_text("another night's\n")
    given, out, summary = retrain_step(project, workflow, STATUS=status, MLFLOW_TRACKING_URI="x")
    assert given == job
    assert [line for line in out.splitlines() if line.startswith("::")] == [annotation] * bool(
        annotation
    )
    assert summary == f"Exit status {status}. the reason\n"
    call = (project / "calls").read_text()
    assert call == "run --pipelines retrain --params dataset.tfds.version=3.0.1\n"


def test_a_workflow_without_a_registry_is_a_broken_job(
    project: Path, workflow: dict[Any, Any]
) -> None:
    given, out, _ = retrain_step(project, workflow, MLFLOW_TRACKING_URI="")
    assert given == 2
    assert out.startswith("::error::The secret MLFLOW_TRACKING_URI is not set")


def retrain_step(project: Path, workflow: dict[Any, Any], **env: str) -> tuple[int, str, str]:
    """Run the step as a runner does; return its exit status, its output and the job's summary."""
    summary = project / "summary"
    summary.touch()
    done = subprocess.run(
        ["bash", "-e", "-c", step(workflow, "Retrain")],
        cwd=project,
        env={
            "PATH": "/usr/bin:/bin", "DATASET_VERSION": "3.0.1",
            "GITHUB_STEP_SUMMARY": str(summary), **env,
        },
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    return done.returncode, done.stdout, summary.read_text()


def test_the_dag_has_one_task_that_skips_what_is_refused() -> None:
    tree = ast.parse((SCHEDULES / "airflow_dag.py").read_text())
    (task,) = (
        node for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "BashOperator"
    )  # fmt: skip
    arguments = {keyword.arg: ast.unparse(keyword.value) for keyword in task.keywords}
    assert arguments["skip_on_exit_code"] == "REFUSED"
    assert "REFUSED = 1" in ast.unparse(tree)
    assert int(arguments["retries"]) > 0


@pytest.mark.skipif(
    importlib.util.find_spec("airflow") is None,
    reason="airflow is not installed; it is no dependency of the project",
)
def test_airflow_takes_the_dag(tmp_path: Path) -> None:
    load = "import runpy, sys; print(*runpy.run_path(sys.argv[1])['dag'].task_ids)"
    done = subprocess.run(
        [sys.executable, "-c", load, SCHEDULES / "airflow_dag.py"],
        env={**os.environ, "AIRFLOW_HOME": str(tmp_path)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split()[-1] == "retrain"
