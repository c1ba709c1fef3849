"""Errors as users meet them: defects in one paragraph, long details in a file, closed outputs.

A user sees no traceback: what there is to say of a defect is its error and its place. The variable
QUANTLINE_TRACEBACK shows the rest to those who look for its cause.
"""

from __future__ import annotations

import errno
import os
import sys
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from quantline.errors import InternalError, OutputNotWritten, QuantlineError, first_line
from quantline.files import sha256, write_atomic
from quantline.redaction import redacted

if TYPE_CHECKING:
    from typing import TextIO

VARIABLE = "QUANTLINE_TRACEBACK"
_FULL = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}
BROKEN_PIPE = 141  # what shells report for SIGPIPE


def as_error(error: BaseException) -> QuantlineError:
    """Return the error for an unexpected exception; write its traceback to stderr if asked for.

    Args:
        error: The exception that nothing caught.

    Returns:
        An ``InternalError``; an ``OutputNotWritten`` where a disk or a limit is full, wherever that
        was met.
    """
    if os.environ.get(VARIABLE):
        write_line(redacted("".join(traceback.format_exception(error))), sys.stderr)
    if isinstance(error, OSError) and error.errno in _FULL:
        named = f" '{error.filename}'" if error.filename else ""
        return OutputNotWritten(
            f"A file{named} could not be written",
            found=f"{error.strerror} ({type(error).__name__})",
            expected="space on the disk, and no limit of a file's size ('ulimit -f') in the way",
            remedy="Free space or raise the limit, then give the same command again",
        )
    return InternalError(
        "Quantline met an error that it does not know",
        found=f"{_described(error)}, {place_of(error)}",
        expected="a result, or an error that says what to correct",
        remedy=f"This is a defect of Quantline or of a library: please report it with what "
        f"{VARIABLE}=1 shows when the same command is given again",
    )


def write_line(text: str, stream: TextIO | None) -> None:
    """Write a text and a newline; discard what follows where the stream cannot be written to.

    The text is lost then: there is nowhere left to write it.
    """
    if stream is None:
        return  # the process was started without it
    try:
        stream.write(f"{text}\n")
        stream.flush()
    except OSError:
        discard_output(stream)


def discard_output(stream: TextIO | None) -> None:
    """Send what is left in a stream to /dev/null: Python would fail to write it as it exits."""
    try:
        descriptor = stream.fileno() if stream is not None else -1
    except (OSError, ValueError):
        return  # no file, as in a test
    if descriptor < 0:
        return
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, descriptor)
    os.close(sink)


def write_details(error: QuantlineError) -> QuantlineError:
    """Write an error's details to a log file, and name the file in the text of what was found.

    The file lies in the folder for temporary files (TMPDIR) and stays there. Its name comes from
    its content, so that the same failure gives the same message and one file.

    Args:
        error: The error; one without details is left as it is.

    Returns:
        The same error.
    """
    if not error.details:
        return error
    content = f"{error.details.strip()}\n".encode(errors="replace")
    try:
        path = Path(tempfile.gettempdir()) / f"quantline-{sha256(content)[:12]}.log"
        write_atomic(path, content)
        error.found += f"; the whole text is in '{path}'"
    except (OSError, OutputNotWritten):
        error.found += "; the whole text could not be written to the folder for temporary files"
    error.details = ""
    return error


def output_not_printed(error: OSError) -> OutputNotWritten:
    """Return the error for a standard output that cannot be written to, as on a full disk."""
    return OutputNotWritten(
        "The result could not be printed",
        found=f"{error.strerror or error} ({type(error).__name__})",
        expected="a standard output that can be written to",
        remedy="Free space, or send the output elsewhere; files that were written are whole",
    )


def _described(error: BaseException) -> str:
    try:
        return first_line(error)
    except Exception:  # an error whose text fails too
        return type(error).__name__


def place_of(error: BaseException) -> str:
    """Return where an error arose: the innermost place of ours, and of a library below it."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return "at an unknown place"
    package = Path(__file__).parent
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(package)]
    places = dict.fromkeys(
        f"{Path(frame.filename).name}:{frame.lineno}" for frame in (*ours[-1:], frames[-1])
    )
    return f"at {' and '.join(places)}"
