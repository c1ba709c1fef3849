"""A run that is interrupted or killed: what it leaves, and that the same command completes it."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest


def interrupt(project: Any, line: str, how: signal.Signals, whole_group: bool) -> tuple[int, str]:
    """Start a run, and send a signal after a line of its log."""
    (project.folder / "tmp").mkdir(exist_ok=True)
    process = project.start(TMPDIR=str(project.folder / "tmp"))
    seen = []
    for text in process.stderr:
        seen.append(text)
        if line in text:
            break
    (os.killpg if whole_group else os.kill)(process.pid, how)
    _, rest = process.communicate(timeout=60)
    return process.returncode, "".join(seen) + rest


def test_the_same_command_completes_what_was_interrupted(finished: Any, project: Any) -> None:
    # Ctrl-C in a terminal reaches the child processes too; a scheduler's SIGTERM does not.
    for line, how, whole_group in (
        ("baseline: import_model", signal.SIGINT, True),
        ("conversion: convert", signal.SIGTERM, False),
    ):
        status, err = interrupt(project, line, how, whole_group)
        assert status == 130, err
        assert "Traceback" not in err
        assert err.rstrip().endswith(
            "Interrupted. Finished results are kept; the same command runs again."
        )
        newest = project.runs()[0]
        assert newest.info.status == "KILLED"
        assert newest.data.tags["quantline.failed_stage"] == line.split(":")[0]
        assert not list((project.folder / "tmp").glob("quantline-*"))

    status, _ = interrupt(project, "conversion: convert", signal.SIGKILL, True)
    assert status == -signal.SIGKILL
    assert "06_models/ranges.json" in project.written()
    assert "06_models/int8.tflite" not in project.written()

    status, _, err = project.run()
    assert status == 0, err
    assert project.written() == finished.written()
    statuses = [run.info.status for run in project.runs()]
    assert statuses == ["FINISHED", "KILLED", "KILLED", "KILLED"]
    # One that was killed outright is closed by the next run.
    tags = project.runs()[1].data.tags
    assert "was gone" in tags["quantline.abandoned"]
    assert tags["quantline.failed_stage"] == "conversion"
    for name in ("float.tflite", "ranges.json", "int8.tflite", "recipe.json"):
        there, here = (item.folder / "data/06_models" / name for item in (finished, project))
        assert there.read_bytes() == here.read_bytes(), name


def test_a_half_written_file_of_a_killed_run_is_no_result(project: Any, kedro_run: Any) -> None:
    assert kedro_run("--pipelines", "sampling")[0] == 0
    folder = project.folder / "data/03_primary"
    whole = (folder / "manifest.json").read_bytes()
    (folder / "manifest.json").rename(folder / ".0123.partial")
    status, paragraph = kedro_run("--pipelines", "baseline")
    assert status == 2
    assert "manifest.json' cannot be read. Found: no such file." in paragraph
    assert kedro_run("--pipelines", "sampling")[0] == 0
    assert [path.name for path in folder.iterdir()] == ["manifest.json"]
    assert (folder / "manifest.json").read_bytes() == whole


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_single_stage_that_is_interrupted(project: Any, how: signal.Signals) -> None:
    # The function stands for one that takes long: the signal comes while it runs.
    (project.folder / "slow.py").write_text(
        "import os, signal\ndef slow(x):\n"
        f"    os.kill(os.getpid(), signal.{how.name})\n    return x\n"
    )
    status, out, err = project.run(
        "--pipelines", "sampling", "--params", "dataset.transform=slow:slow"
    )
    assert status == 130, err
    assert out == ""
    assert "Traceback" not in err
    assert project.written() == set()
    assert project.runs() == []
