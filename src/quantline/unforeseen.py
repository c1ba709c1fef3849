"""What nobody foresaw, told in one paragraph; and output that cannot be written.

A user sees no traceback: what there is to say of a defect is its error and its place. The variable
QUANTLINE_TRACEBACK shows the rest to those who look for its cause.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from quantline.errors import InternalError, OutputNotWritten, first_line

if TYPE_CHECKING:
    from typing import TextIO

VARIABLE = "QUANTLINE_TRACEBACK"
BROKEN_PIPE = 141  # what shells report for SIGPIPE


def internal(error: BaseException) -> InternalError:
    """Return the error of what nobody foresaw; its traceback goes to stderr if that is asked for.

    Args:
        error: What was raised, and caught by nobody.
    """
    if os.environ.get(VARIABLE):
        say("".join(traceback.format_exception(error)), sys.stderr)
    return InternalError(
        "Quantline met an error that it does not know",
        found=f"{_described(error)}, {_place(error)}",
        expected="a result, or an error that says what to correct",
        remedy=f"This is a defect of Quantline or of a library: please report it with what "
        f"{VARIABLE}=1 shows when the same command is given again",
    )


def say(text: str, stream: TextIO) -> None:
    """Write a text and a newline; a stream that takes none is given up.

    What was to be said is lost then, and nobody is left to be told.
    """
    try:
        stream.write(f"{text}\n")
        stream.flush()
    except OSError:
        give_up(stream)


def give_up(stream: TextIO) -> None:
    """Send what a stream still holds to nowhere: Python would fail to write it at its end."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):
        return  # no file, as in a test
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, descriptor)
    os.close(sink)


def not_printed(error: OSError) -> OutputNotWritten:
    """Return the error of a standard output that takes nothing, such as a full disk's."""
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


def _place(error: BaseException) -> str:
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
