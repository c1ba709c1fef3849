"""The ends of child processes, and the errors that follow from them."""

from __future__ import annotations

import os
import re
import resource
import signal
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from quantline.error_output import place_of
from quantline.errors import (
    InternalError,
    OutOfMemory,
    OutputNotWritten,
    ProcessError,
    QuantlineError,
    first_line,
    last_lines,
)
from quantline.temporary import is_out_of_space, unusable

if TYPE_CHECKING:
    from collections.abc import Iterator

# Output of libraries about themselves, such as "I0000 00:00:1.2 3 port.cc:153] oneDNN is on".
_CHATTER = re.compile(r"[IW]\d{4} |INFO: |WARNING: All log messages before")
# The exit status of a child that cannot write its answer.
NO_SPACE_STATUS = os.EX_CANTCREAT


@dataclass(frozen=True)
class End:
    """The end of a child process.

    Attributes:
        status: Its exit status, negative for a signal.
        beyond: The limit that it exceeded: ``time``, ``load`` or ``memory``; else empty.
        peak_bytes: Its peak memory.
    """

    status: int
    beyond: str
    peak_bytes: int

    @classmethod
    def of(cls, status: int, beyond: str, measured: int, used: resource.struct_rusage) -> End:
        """Build it from measurements during the run and the kernel's account of it."""
        unit = 1 if sys.platform == "darwin" else 1024
        peak = used.ru_maxrss
        # A child starts with its parent's peak: below that, the measured value counts.
        if measured and peak <= resource.getrusage(resource.RUSAGE_SELF).ru_maxrss:
            return cls(status, beyond, measured)
        return cls(status, beyond, peak * unit)


def peak_so_far(pid: int) -> int:
    """Return the peak memory of a running process, bytes; 0 where the system does not report it."""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


def error_without_answer(
    what: str,
    end: End,
    stage: str,
    stderr: str,
    timeout: tuple[float, str | None],
    load_s: float | None,
    memory_gib: float | None,
) -> QuantlineError:
    """Return the error of a child that ended without an answer."""
    what = _sentence_start(what)
    where = f" at stage '{stage}'" if stage else ""
    peak = f"peak memory {end.peak_bytes / 2**30:.2f} GiB"
    said = "\n".join(line for line in stderr.splitlines() if not _CHATTER.match(line)).strip()
    last = f"; its last words: {last_lines(said)}" if said else ""
    if end.beyond == "memory":
        return OutOfMemory(
            f"{what} took too much memory and was ended",
            found=f"{peak}{where}{last}",
            expected=f"at most {memory_gib:g} GiB",
            remedy="Use a smaller model or fewer samples, or raise `memory_gib`",
            details=said,
        )
    if end.beyond:
        seconds, argument = (load_s, "load_s") if end.beyond == "load" else timeout
        more = f", or raise `{argument}`" if argument else ""
        return ProcessError(
            f"{what} took too long and was ended",
            found=f"no answer after {seconds:g} s{where}; {peak}{last}",
            expected=f"an answer within {seconds:g} s",
            remedy="The file may be damaged: save or copy it again, or use a smaller model" + more
            if end.beyond == "load"
            else "Use a smaller model or fewer samples" + more,
            details=said,
        )
    if end.status == NO_SPACE_STATUS:
        return unusable(OSError("its child process could not write its answer"))
    if end.status == -signal.SIGKILL:
        return OutOfMemory(
            f"{what} was ended in its child process",
            found="signal SIGKILL, with which the system ends a process when memory runs out"
            f"{where}; {peak}{last}",
            expected="a result",
            remedy="If nobody ended it by hand, free memory or run on a machine with more of it; "
            "this run wrote no result",
            details=said,
        )
    cause = f"exit status {end.status}"
    if end.status < 0:
        cause = f"signal {signal.Signals(-end.status).name}"
    return ProcessError(
        f"{what} crashed in its child process",
        found=f"{cause}{where}; {peak}{last}",
        expected="a result",
        remedy="Native code of a library crashed: try another version of the model or of the "
        "library; this run wrote no result",
        details=said,
    )


def error_from_answer(what: str, found: QuantlineError | Defect) -> QuantlineError:
    """Return the error of a child that answered with one."""
    if isinstance(found, QuantlineError):
        return found
    what = _sentence_start(what)
    if found.kind == "memory":
        return OutOfMemory(
            f"{what} ran out of memory",
            found=found.message,
            expected="enough memory for the model and the samples",
            remedy="Free memory, run on a machine with more of it, or use a smaller model",
        )
    if found.kind == "space":
        return unusable(OSError(found.message))
    return InternalError(
        f"{what} failed for a reason that Quantline did not foresee",
        found=f"{found.message}, {found.place}",
        expected="a result, or an error that says what is wrong with the input",
        remedy="Report this as a defect of Quantline, with this message and the versions of its "
        "packages",
        details=found.trace,
    )


def _sentence_start(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}"


@dataclass(frozen=True)
class Defect:
    """An exception in a child process that is no :class:`QuantlineError`.

    Attributes:
        kind: ``memory`` or ``space`` where the machine ran out of it, else ``defect``.
        message: The exception's type and message.
        place: The files, lines and functions where it was raised, and its caller in Quantline.
        trace: Its traceback.
    """

    kind: Literal["memory", "space", "defect"]
    message: str
    place: str
    trace: str = ""


def classify(error: Exception) -> QuantlineError | Defect:
    """Return a :class:`QuantlineError` as it is, and any other exception as a :class:`Defect`.

    Where memory or disk space ran out, that is a defect of the machine, whatever was raised: code
    that reads foreign files takes any exception for a sign of a damaged file.
    """
    if not isinstance(error, OutputNotWritten):
        for cause in _causes(error):
            kind = _machine(cause)
            if kind is not None:
                return Defect(kind, first_line(cause), place_of(cause))
    if isinstance(error, QuantlineError):
        return error
    trace = "".join(traceback.format_exception(error))
    return Defect("defect", first_line(error), place_of(error), trace)


def _machine(error: BaseException) -> Literal["memory", "space"] | None:
    exhausted = type(error).__name__ == "ResourceExhaustedError"  # TensorFlow's
    if is_out_of_space(error) or (exhausted and "No space left" in str(error)):
        return "space"
    return "memory" if exhausted or isinstance(error, MemoryError) else None


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__
