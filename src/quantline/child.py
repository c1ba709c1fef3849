"""Running a function in a child process, so that a crash in native code is an error with a name."""

from __future__ import annotations

import os
import pickle
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from quantline.errors import ChildCrashed, QuantlineError
from quantline.progress import waiting
from quantline.quiet import leave_out_extras

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
_LAST_LINES = 5
_LONGEST_PAUSE_S = 0.05
_STAGES = "QUANTLINE_CHILD_STAGES"
# What libraries say of themselves, such as "I0000 00:00:1.2 3 port.cc:153] oneDNN is on".
_CHATTER = re.compile(r"[IW]\d{4} |INFO: |WARNING: All log messages before")


def run_in_child(function: Callable[..., T], *arguments: Any, what: str, timeout_s: float) -> T:
    """Call an importable function in a fresh Python process and return its result.

    Args:
        function: A module-level function.
        arguments: Its arguments; they and the result must be picklable.
        what: What the child does, for messages, such as ``the conversion of 'model.keras'``.
        timeout_s: After how many seconds the child is ended.

    Raises:
        ChildCrashed: The child died of a signal, ran out of time, or failed without a word.
        QuantlineError: Whatever error of ours the function raised.
    """
    with tempfile.TemporaryDirectory(prefix="quantline-") as folder:
        call, answer, errors, stages = (
            Path(folder) / name for name in ("call", "answer", "stderr", "stages")
        )
        with call.open("wb") as stream:
            pickle.dump(sys.path, stream)  # by itself: the rest may need it to be read
            pickle.dump((function.__module__, function.__name__, arguments), stream)
        with errors.open("wb") as stderr, waiting(what):
            end = _run([str(call), str(answer)], stderr.fileno(), stages, timeout_s)
        if not answer.exists():
            reached = stages.read_text().splitlines() if stages.exists() else []
            raise _crashed(what, end, timeout_s, reached[-1:], errors.read_text(errors="replace"))
        is_result, value = pickle.loads(answer.read_bytes())  # noqa: S301 - written by our own child
    if is_result:
        return value  # type: ignore[no-any-return]
    raise value


def stage(name: str) -> None:
    """Announce what comes next, so that a crash can say how far its child process came.

    Outside a child process this does nothing.
    """
    path = os.environ.get(_STAGES)
    if path:
        with Path(path).open("a") as stream:
            stream.write(f"{name}\n")


def words() -> str:
    """Return what this child process has written to stdout and stderr, native code included.

    Outside a child process this is empty.
    """
    path = os.environ.get(_STAGES)
    return Path(path).with_name("stderr").read_text(errors="replace") if path else ""


@dataclass(frozen=True)
class _End:
    """How a child ended.

    Attributes:
        status: Its exit status, negative for a signal; None if it ran out of time.
        peak_bytes: The most memory that it held at once.
    """

    status: int | None
    peak_bytes: int


def _run(arguments: list[str], stderr: int, stages: Path, timeout_s: float) -> _End:
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-m", "quantline.child", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=stderr,
        stderr=stderr,
        env={**os.environ, _STAGES: str(stages)},
    )
    deadline, pause, seen = time.monotonic() + timeout_s, 0.001, 0
    late = False
    try:
        # Only wait4 tells the memory of this very child; it has no time limit of its own.
        while not (ended := os.wait4(process.pid, 0 if late else os.WNOHANG))[0]:
            seen = max(seen, _peak_so_far(process.pid))
            if time.monotonic() > deadline:
                late = True
                process.kill()
            else:
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
    except BaseException:  # Ctrl-C, or a scheduler's SIGTERM
        process.kill()
        process.wait()
        raise
    process.returncode = os.waitstatus_to_exitcode(ended[1])
    unit = 1 if sys.platform == "darwin" else 1024
    peak = ended[2].ru_maxrss
    # The kernel lets a child start with its parent's peak: below that, what was seen counts.
    if seen and peak <= resource.getrusage(resource.RUSAGE_SELF).ru_maxrss:
        return _End(None if late else process.returncode, seen)
    return _End(None if late else process.returncode, peak * unit)


def _peak_so_far(pid: int) -> int:
    """Return the most memory that a process held until now, in bytes; 0 where that is not told."""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


def _crashed(
    what: str, end: _End, timeout_s: float, reached: list[str], stderr: str
) -> ChildCrashed:
    what = f"{what[0].upper()}{what[1:]}"
    where = f" at stage '{reached[0]}'" if reached else ""
    peak = f"peak memory {end.peak_bytes / 2**30:.2f} GiB"
    said = [line for line in stderr.splitlines() if line.strip() and not _CHATTER.match(line)]
    last = f"; its last words: {' / '.join(said[-_LAST_LINES:])}" if said else ""
    if end.status is None:
        return ChildCrashed(
            f"{what} took too long and was ended",
            found=f"no answer after {timeout_s:g} s{where}; {peak}{last}",
            expected=f"an answer within {timeout_s:g} s",
            remedy="Use a smaller model or fewer samples, or raise the time limit "
            "('calibration.timeout_s', 'conversion.timeout_s')",
        )
    cause = f"exit status {end.status}"
    remedy = (
        "The model, or a library it is run with, is at fault: try another version of the model; "
        "nothing of this run was kept from the crash"
    )
    if end.status < 0:
        cause = f"signal {signal.Signals(-end.status).name}"
    if end.status == -signal.SIGKILL:
        cause += ", with which the system ends a process when memory runs out"
        remedy = (
            "If nobody ended it by hand, free memory or run on a machine with more of it; nothing "
            "of this run was kept from the crash"
        )
    return ChildCrashed(
        f"{what} crashed in its child process",
        found=f"{cause}{where}; {peak}{last}",
        expected="a result",
        remedy=remedy,
    )


def _main(call: str, answer: str) -> None:
    import importlib

    leave_out_extras()
    with Path(call).open("rb") as stream:
        sys.path[:] = pickle.load(stream)  # noqa: S301 - written by our own parent
        module, name, arguments = pickle.load(stream)  # noqa: S301
    try:
        outcome = (True, getattr(importlib.import_module(module), name)(*arguments))
    except QuantlineError as error:
        outcome = (False, error)
    partial = Path(f"{answer}.partial")
    partial.write_bytes(pickle.dumps(outcome))
    partial.rename(answer)


if __name__ == "__main__":
    _main(*sys.argv[1:])
