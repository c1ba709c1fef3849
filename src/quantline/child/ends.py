"""The ends of child processes, and the errors that follow from them."""

from __future__ import annotations

import os
import re
import resource
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from quantline.errors import (
    InternalError,
    OutOfMemory,
    ProcessError,
    QuantlineError,
    last_lines,
)
from quantline.temporary import unusable

if TYPE_CHECKING:
    from quantline.child.defect import Defect

# What libraries say of themselves, such as "I0000 00:00:1.2 3 port.cc:153] oneDNN is on".
_CHATTER = re.compile(r"[IW]\d{4} |INFO: |WARNING: All log messages before")
# With which a child ends that cannot write its answer.
NO_SPACE_STATUS = os.EX_CANTCREAT


@dataclass(frozen=True)
class End:
    """The end of a child process.

    Attributes:
        status: Its exit status, negative for a signal.
        beyond: The limit for which it was ended: ``time``, ``load`` or ``memory``; else empty.
        peak_bytes: The most memory that it held at once.
    """

    status: int
    beyond: str
    peak_bytes: int

    @classmethod
    def of(cls, status: int, beyond: str, seen: int, used: resource.struct_rusage) -> End:
        """Make it from what was seen while it ran and from what the kernel says at the end."""
        unit = 1 if sys.platform == "darwin" else 1024
        peak = used.ru_maxrss
        # The kernel lets a child start with its parent's peak: below that, what was seen counts.
        if seen and peak <= resource.getrusage(resource.RUSAGE_SELF).ru_maxrss:
            return cls(status, beyond, seen)
        return cls(status, beyond, peak * unit)


def peak_so_far(pid: int) -> int:
    """Return the most memory that a process held until now, in bytes; 0 if that is unknown."""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


def without_answer(
    what: str,
    end: End,
    stage: str,
    stderr: str,
    timeout: tuple[float, str | None],
    load_s: float | None,
    memory_gib: float | None,
) -> QuantlineError:
    """Return the error of a child that ended without an answer.

    Args:
        what: What it did.
        end: How it ended.
        stage: The last stage that it announced; empty if it announced none.
        stderr: What it wrote.
        timeout: Its time limit in seconds, and the parameter that sets it, if one does.
        load_s: Its time limit for loading, in seconds.
        memory_gib: Its limit of memory, in GiB.
    """
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
            remedy="Use a smaller model or fewer samples, or raise 'limits.memory_gib'",
            details=said,
        )
    if end.beyond:
        seconds, parameter = (load_s, "limits.load_s") if end.beyond == "load" else timeout
        more = f", or raise '{parameter}'" if parameter else ""
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
            "nothing of this run was kept from the crash",
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
        "library; nothing of this run was kept from the crash",
        details=said,
    )


def error_of(what: str, found: QuantlineError | Defect) -> QuantlineError:
    """Return the error of a child that answered with one."""
    if isinstance(found, QuantlineError):
        return found
    what = _sentence_start(what)
    if found.kind == "memory":
        return OutOfMemory(
            f"{what} ran out of memory",
            found=found.said,
            expected="enough memory for the model and the samples",
            remedy="Free memory, run on a machine with more of it, or use a smaller model",
        )
    if found.kind == "space":
        return unusable(OSError(found.said))
    return InternalError(
        f"{what} failed for a reason that Quantline did not foresee",
        found=f"{found.said}, {found.place}",
        expected="a result, or an error that says what is wrong with the input",
        remedy="Report this as a defect of Quantline, with this message and the versions of its "
        "packages",
        details=found.trace,
    )


def _sentence_start(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}"
