"""The parent's side: start a child process, watch its stages, time and memory, take its answer."""

from __future__ import annotations

import logging
import os
import pickle
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from quantline.child.ends import End, error_from_answer, error_without_answer, peak_so_far
from quantline.error_output import write_details
from quantline.progress import waiting
from quantline.temporary import temporary_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from quantline.errors import QuantlineError


STAGES = "QUANTLINE_CHILD_STAGES"
# The stage in which a file that may be damaged or hostile is read; it has a time limit of its own.
LOADING = "loading"


def stage(name: str) -> None:
    """Announce what comes next, so that a crash can say how far its child process came.

    Outside a child process this does nothing.
    """
    path = os.environ.get(STAGES)
    if path:
        with Path(path).open("a") as stream:
            stream.write(f"{name}\n")


def captured_output() -> str:
    """Return what this child process has written to stdout and stderr, native code included.

    Outside a child process this is empty.
    """
    path = os.environ.get(STAGES)
    return Path(path).with_name("stderr").read_text(errors="replace") if path else ""


T = TypeVar("T")
_LONGEST_PAUSE_S = 0.05
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Limits:
    """The limits beyond which a child is ended.

    Attributes:
        timeout_s: Its run time, seconds.
        load_s: The time in the stage 'loading', seconds; None if that has no limit.
        memory_bytes: The memory that it holds; None if that has no limit.
    """

    timeout_s: float
    load_s: float | None
    memory_bytes: float | None


def run_in_child(
    function: Callable[..., T],
    *arguments: Any,
    what: str,
    timeout_s: float,
    limit: str | None = None,
    load_s: float | None = None,
    memory_gib: float | None = None,
    confined: bool = False,
    output: Path | None = None,
) -> T:
    """Call an importable function in a fresh Python process and return its result.

    The process imports nothing from the working folder, unless that is on PYTHONPATH. It ends
    with its parent, and its temporary files lie in a folder that ends with it.

    Args:
        function: A module-level function.
        arguments: Its arguments; they and the result must be picklable.
        what: The child's work, for messages, such as ``the conversion of 'model.keras'``.
        timeout_s: The time limit, seconds.
        limit: The argument that sets ``timeout_s``, for messages; None if none does.
        load_s: The time limit of the stage ``LOADING``, seconds (``limits.load_s``); None if it has
            no limit of its own.
        memory_gib: The most memory that the child may hold, in GiB (``limits.memory_gib``); None
            for no limit. Linux only.
        confined: True if the child may write only in its own temporary folder and open no TCP
            connection. Linux only, from 5.13 on (6.7 for TCP); elsewhere a line in the log says so.
        output: The file that what the child writes is added to, as it writes it, and that is kept;
            None for a temporary one.

    Raises:
        ProcessError: The child died of a signal, ran out of time, or failed without an answer.
        OutOfMemory: It held more memory than it may, or memory ran out.
        OutputNotWritten: The disk with the temporary files is full.
        InternalError: The function raised an exception that is no :class:`QuantlineError`.
        QuantlineError: The function raised it.
    """
    limits = _Limits(timeout_s, load_s, None if memory_gib is None else memory_gib * 2**30)
    with temporary_folder() as folder:
        call, answer, errors, stages = (
            folder / name for name in ("call", "answer", "stderr", "stages")
        )
        errors = output or errors
        (folder / "tmp").mkdir()
        with call.open("wb") as stream:
            pickle.dump((_additional_path(), confined), stream)  # the rest may need it to be read
            pickle.dump((function.__module__, function.__name__, arguments), stream)
        with errors.open("ab") as stderr, waiting(what):
            end = _run([str(call), str(answer)], stderr.fileno(), stages, limits)
        if not answer.exists():
            said = errors.read_text(errors="replace")
            raise _final(
                error_without_answer(
                    what, end, _last_line(stages), said, (timeout_s, limit), load_s, memory_gib
                ),
                is_kept=output is not None,
            )
        is_result, value, notes = pickle.loads(answer.read_bytes())  # noqa: S301 - our own child's
    for note in notes:
        logger.info("%s: %s", what, note)
    if is_result:
        return value  # type: ignore[no-any-return]
    raise _final(error_from_answer(what, value), is_kept=output is not None)


def _final(error: QuantlineError, *, is_kept: bool) -> QuantlineError:
    """Return an error with its details in a file, unless they are kept or this is a child."""
    # A child's temporary folder ends with it: its own parent writes the file.
    return error if is_kept or STAGES in os.environ else write_details(error)


def _additional_path() -> list[str]:
    """Return where this process finds modules, without the working folder."""
    try:
        here = os.path.realpath(Path.cwd())
    except FileNotFoundError:  # it was removed
        here = ""
    return [entry for entry in sys.path if os.path.isabs(entry) and os.path.realpath(entry) != here]


def _environment(stages: Path) -> dict[str, str]:
    """Return the child's environment, in which no module path is empty or relative."""
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return {
        **os.environ,
        STAGES: str(stages),
        "TMPDIR": str(stages.with_name("tmp")),
        "PYTHONUNBUFFERED": "1",  # its last words, whatever ends it
        # An empty entry, as in 'PYTHONPATH=:folder', means the working folder to Python.
        "PYTHONPATH": os.pathsep.join(str(Path(entry).absolute()) for entry in given if entry),
    }


def _run(arguments: list[str], stderr: int, stages: Path, limits: _Limits) -> End:
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-P", "-m", "quantline.child.main", str(os.getpid()), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=stderr,
        stderr=stderr,
        env=_environment(stages),
    )
    watch = _Watch(process.pid, stages, limits)
    pause = 0.001
    try:
        # Only wait4 reports the memory of this very child; it has no time limit of its own.
        while not (ended := os.wait4(process.pid, 0 if watch.beyond else os.WNOHANG))[0]:
            if watch.look():
                process.kill()
            else:
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
    except BaseException:  # Ctrl-C, or a scheduler's SIGTERM
        process.kill()
        process.wait()
        raise
    process.returncode = os.waitstatus_to_exitcode(ended[1])
    return End.of(process.returncode, watch.beyond, watch.peak, ended[2])


class _Watch:
    """Looks at a running child from time to time.

    Attributes:
        peak: The most memory that it was seen to hold, in bytes.
        beyond: The limit that it is beyond: ``time``, ``load`` or ``memory``; else empty.
    """

    def __init__(self, pid: int, stages: Path, limits: _Limits) -> None:
        self._pid, self._stages, self._limits = pid, stages, limits
        self._start = self._since = time.monotonic()
        self._stage = ""
        self.peak = 0
        self.beyond = ""

    def look(self) -> str:
        """Look at the child once and return the limit that it is beyond."""
        now, limits = time.monotonic(), self._limits
        self.peak = max(self.peak, peak_so_far(self._pid))
        if limits.load_s is not None:
            stage = _last_line(self._stages)
            if stage != self._stage:
                self._stage, self._since = stage, now
            if stage == LOADING and now - self._since > limits.load_s:
                self.beyond = "load"
        if now - self._start > limits.timeout_s:
            self.beyond = "time"
        if limits.memory_bytes is not None and self.peak > limits.memory_bytes:
            self.beyond = "memory"
        return self.beyond


def _last_line(stages: Path) -> str:
    lines = stages.read_text().splitlines() if stages.exists() else []
    return lines[-1] if lines else ""
