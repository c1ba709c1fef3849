"""The command in a process of its own: ours, Kedro's, interruption."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from tests.warm_children import COMMANDS

from quantline.commands.group import KEDROS, OURS

ROOT = Path(__file__).resolve().parents[2]


def give(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return COMMANDS.run("quantline", *arguments, cwd=cwd)


def test_help_names_our_commands_and_kedros(desk: Any) -> None:
    done = desk.give("--help")
    assert done.status == 0
    for name in (*OURS, *KEDROS, "kedro --help"):
        assert name in " ".join(done.out.split())  # whatever line it is on


@pytest.mark.parametrize("name", OURS)
def test_each_command_has_help_with_an_example(desk: Any, name: str) -> None:
    done = desk.give(name, "--help")
    assert done.status == 0
    assert f"      quantline {name} " in done.out
    assert "--json" in done.out
    assert "noqa" not in done.out


def test_the_help_names_every_command_of_kedro() -> None:
    from kedro.framework.cli.cli import cli, global_commands, project_commands

    known = {*cli.commands}
    for group in (global_commands, project_commands):
        known |= {*group.lazy_subcommands, *group.commands}
    ours = {"new"}  # the project of Kedro's own would be one without Quantline
    assert {*KEDROS, *KEDROS["..."].split(": ")[0].split(", ")} - {"..."} == known - ours


def test_other_names_are_kedros() -> None:
    done = give("registry", "list", cwd=ROOT / "docs")
    assert done.returncode == 0, done.stderr
    assert "calibration" in done.stdout
    done = give("run", "--help", cwd=ROOT)
    assert done.returncode == 0
    assert "--pipelines" in done.stdout


def test_outside_of_a_project_kedro_logs_to_stderr(tmp_path: Path) -> None:
    done = give("info", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "INFO" not in done.stdout
    assert "logging" not in done.stdout
    done = give("champion", "--json", cwd=tmp_path)
    assert done.returncode == 2
    json.loads(done.stdout)


def test_kedros_command_outside_of_a_project(tmp_path: Path) -> None:
    done = give("run", cwd=tmp_path)
    assert done.returncode == 2
    assert "project" in done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []
    assert give("nonsense", cwd=tmp_path).returncode == 2


@pytest.mark.fresh_children
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_ends_with_130_and_leaves_nothing(
    desk: Any, plain: Any, number: signal.Signals
) -> None:
    before = desk.files()
    process = COMMANDS.start(
        "quantline", "quantize", str(plain.file), "--calibration", "samples.npz", "-o",
        "out.tflite", "--json",
        cwd=desk.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    deadline = time.monotonic() + 60
    child = ""
    while not child and time.monotonic() < deadline:
        time.sleep(0.05)
        child = children.read_text().strip()
    time.sleep(0.3)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert out == ""
    assert "Interrupted" in err
    assert "Traceback" not in err
    assert desk.files() == before
    with pytest.raises(ProcessLookupError):
        os.kill(int(child), 0)
