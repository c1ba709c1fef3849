"""Messages of a child process about itself while it runs."""

from __future__ import annotations

import os
from pathlib import Path

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
