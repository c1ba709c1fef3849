"""Defects, files that are no regular ones, and output that cannot be written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.warm_children import COMMANDS

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full here")


@pytest.fixture
def defect(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr("quantline.api.validate.check_model", fail)


@pytest.mark.usefixtures("defect")
def test_a_defect_is_one_paragraph_that_says_what_and_where(desk: Any) -> None:
    done = desk.give("validate", "float.tflite")
    assert (done.status, done.out) == (2, "")
    assert len(done.err.strip().splitlines()) == 1
    for words in ("Error: ", "ZeroDivisionError: of all things", "at validate.py:", "a defect of",
                  "QUANTLINE_TRACEBACK=1"):  # fmt: skip
        assert words in done.err
    found = desk.give("validate", "float.tflite", "--json").json
    assert (found["error"]["kind"], found["exit_status"]) == ("InternalError", 2)


@pytest.mark.usefixtures("defect")
def test_the_traceback_is_there_for_those_who_ask(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUANTLINE_TRACEBACK", "1")
    assert "Traceback (most recent call last)" in desk.give("validate", "float.tflite").err


def test_a_full_disk_is_no_defect_wherever_it_is_met(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(27, "File too large")

    monkeypatch.setattr("quantline.api.validate.check_model", fail)
    done = desk.give("validate", "float.tflite", "--json")
    assert done.json["error"]["kind"] == "OutputNotWritten"
    assert "File too large" in done.err


PIPES = {
    "validate": ["validate", "pipe.tflite"],
    "golden": ["validate", "float.tflite", "--golden", "pipe.npz"],
    "target": ["validate", "float.tflite", "--target", "pipe.yml"],
    "quantize": ["quantize", "pipe.tflite", "--ranges", "ranges.json", "-o", "o.tflite"],
    "calibration": ["record", "float.tflite", "--calibration", "pipe.npz", "-o", "o.json"],
    "ranges": ["ranges", "pipe.json"],
    "drift": ["ranges", "ranges.json", "--compare", "pipe.json"],
    "merge": ["merge", "ranges.json", "pipe.json", "-o", "o.json"],
    "layers": ["layers", "float.tflite", "pipe.tflite", "--data", "samples.npz"],
    "edgetpu": ["edgetpu", "pipe.tflite"],
}


@pytest.mark.parametrize("arguments", PIPES.values(), ids=PIPES)
def test_a_pipe_is_refused_and_never_waited_for(desk: Any, arguments: list[str]) -> None:
    for suffix in ("tflite", "npz", "json", "yml"):
        os.mkfifo(desk.folder / f"pipe.{suffix}")
    done = desk.give(*arguments)
    assert done.status == 2
    assert "a pipe" in done.err
    assert not list(desk.folder.glob("o.*"))


LONG = "n" * 300
NAMES = {
    "model": ["validate", f"{LONG}.tflite"],
    "float model": ["quantize", f"{LONG}.keras", "-o", "o.tflite"],
    "calibration": ["record", "float.tflite", "--calibration", f"{LONG}.npz", "-o", "o.json"],
    "ranges": ["ranges", f"{LONG}.json"],
    "result": ["quantize", "float.tflite", "--ranges", "ranges.json", "-o", f"{LONG}.tflite"],
    "what is written first": ["quantize", "float.tflite", "--ranges", "ranges.json", "-o",
                              f"{'n' * 246}.tflite"],
}  # fmt: skip


@pytest.mark.parametrize("arguments", NAMES.values(), ids=NAMES)
def test_a_name_that_is_too_long_is_refused_before_anything_is_computed(
    desk: Any, arguments: list[str]
) -> None:
    before = desk.files()
    done = desk.give(*arguments)
    assert done.status == 2
    assert "a defect of" not in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert desk.files() == before


def test_what_is_there_already_may_be_no_file(desk: Any) -> None:
    os.mkfifo(desk.folder / "drawn.png")
    done = desk.give("ranges", "ranges.json", "--plot", "drawn.png")
    assert done.status == 2
    assert "a pipe or a device of that name" in done.err
    assert (desk.folder / "drawn.png").is_fifo()


def run(folder: Path, *arguments: str, **streams: Any) -> subprocess.CompletedProcess[str]:
    return COMMANDS.run("quantline", *arguments, cwd=folder, **streams)


@needs_full
@pytest.mark.parametrize("arguments", [["validate", "float.tflite"], ["--version"]])
def test_a_full_output_is_told_on_stderr(desk: Any, arguments: list[str]) -> None:
    with FULL.open("w") as full:
        done = run(desk.folder, *arguments, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "could not be printed. Found: No space left on device" in done.stderr


@pytest.mark.parametrize("arguments", [["validate", "float.tflite"], ["--version"]])
def test_a_closed_pipe_ends_a_command_in_silence(desk: Any, arguments: list[str]) -> None:
    end, pipe = os.pipe()
    os.close(end)
    done = run(desk.folder, *arguments, stdout=pipe, stderr=subprocess.PIPE)
    os.close(pipe)
    assert (done.returncode, done.stderr) == (141, "")


@needs_full
def test_a_mistake_that_cannot_be_told_has_its_exit_status_all_the_same(desk: Any) -> None:
    with FULL.open("w") as full:
        done = run(desk.folder, "validate", "none.tflite", stdout=subprocess.PIPE, stderr=full)
    assert (done.returncode, done.stdout) == (2, "")


def test_a_command_that_cannot_be_loaded_is_one_paragraph_too(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "quantline.commands.validate", None)
    done = desk.give("validate", "float.tflite")
    assert (done.status, done.out) == (2, "")
    assert "ModuleNotFoundError" in done.err
    assert len(done.err.strip().splitlines()) == 1
