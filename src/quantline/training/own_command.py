"""A training by a shell command of the user's, in a process group of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

from quantline.errors import ConversionError, OutOfMemory, ProcessError, last_lines
from quantline.progress import waiting
from quantline.reading import Unreadable, check_regular
from quantline.temporary import temporary_folder
from quantline.training.model_files import SUFFIXES, read_model
from quantline.training.own_function import History, Made, history_of

if TYPE_CHECKING:
    from pathlib import Path

    from quantline import recipe
    from quantline.training.own_split import OwnSplit

_WHAT = "The training by the command `training_command`"
_LONGEST_HISTORY = 2**24


def run_command(split: OwnSplit, training: recipe.Training, start: Path | None, log: Path) -> Made:
    """Run the command and return the model that it left.

    Args:
        split: The examples, which the command finds in files.
        training: The command.
        start: The model to go on from; None for none.
        log: The file that gets what the command writes.

    Raises:
        QuantlineError: An example cannot be read.
        ProcessError: The command failed, or took longer than it may.
        OutOfMemory: The system ended it.
        ConversionError: It left no model, or several.
    """
    with temporary_folder() as folder:
        examples, model, history = folder / "examples", folder / "model", folder / "history.json"
        examples.mkdir()
        split.write(examples)
        _run(training, log, {
            "QUANTLINE_EXAMPLES": str(examples),
            "QUANTLINE_MODEL": str(model),
            "QUANTLINE_HISTORY": str(history),
            "QUANTLINE_ARGUMENTS": json.dumps(training.arguments),
            "QUANTLINE_SEED": str(training.seed),
            "QUANTLINE_START": "" if start is None else str(start),
        })  # fmt: skip
        left = [path for suffix in SUFFIXES if (path := model.with_suffix(suffix)).exists()]
        if len(left) != 1:
            names = ", ".join(f"$QUANTLINE_MODEL{path.suffix}" for path in left)
            raise ConversionError(
                f"{_WHAT} left {'several models' if left else 'no model'}",
                found=names or _others(folder),
                expected="$QUANTLINE_MODEL.keras, $QUANTLINE_MODEL.tflite, or a SavedModel in the "
                "folder $QUANTLINE_MODEL",
                remedy="Have the command write its model there",
            )
        return Made(read_model(left[0]), _read_history(history))


def _run(training: recipe.Training, log: Path, variables: dict[str, str]) -> None:
    assert training.command is not None  # noqa: S101 - asked for by those who have one
    with log.open("ab") as output, waiting("the training"):
        process = subprocess.Popen(  # noqa: S602 - a command of the user's
            training.command,
            shell=True,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **variables},
            start_new_session=True,
        )
        try:
            status = process.wait(training.timeout_s)
        except subprocess.TimeoutExpired as error:
            raise ProcessError(
                f"{_WHAT} took too long and was ended",
                found=f"no end after {training.timeout_s} s{_last(log)}",
                expected=f"an end within {training.timeout_s} s",
                remedy="Train for less, or raise `training_timeout_s`",
            ) from error
        finally:  # what it started in the background too; also where Ctrl-C ends this
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if status in (-signal.SIGKILL, 128 + signal.SIGKILL):
        raise OutOfMemory(
            f"{_WHAT} was ended",
            found="signal SIGKILL, with which the system ends a process when memory runs out"
            f"{_last(log)}",
            expected="a command that ends with 0",
            remedy="If nobody ended it by hand, free memory or train on smaller batches",
        )
    if status:
        cause = f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
        raise ProcessError(
            f"{_WHAT} failed",
            found=f"{cause}{_last(log)}",
            expected="a command that ends with 0",
            remedy="Correct the command",
        )


def _last(log: Path) -> str:
    said = log.read_text(errors="replace").strip()
    return f"; its last words: {last_lines(said)}" if said else ""


def _others(folder: Path) -> str:
    found = sorted(path.name for path in folder.iterdir() if path.name.startswith("model"))
    return ", ".join(f"$QUANTLINE_MODEL{name.removeprefix('model')}" for name in found) or "no file"


def _read_history(path: Path) -> History:
    if not path.exists():
        return {}
    try:
        if check_regular(path) > _LONGEST_HISTORY:
            raise ValueError("a file that is too large")
        return history_of(json.loads(path.read_bytes()))
    except (Unreadable, OSError, ValueError, RecursionError) as error:
        raise ConversionError(
            f"{_WHAT} left a history that cannot be read",
            found=str(error),
            expected="JSON in $QUANTLINE_HISTORY: a list of numbers, one an epoch, by name",
            remedy="Correct the command, or leave the file out",
        ) from error
