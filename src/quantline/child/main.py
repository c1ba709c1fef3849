"""The child's side: ``python -P -m quantline.child.main PARENT CALL ANSWER``."""

from __future__ import annotations

import ctypes
import importlib
import os
import pickle
import signal
import sys
from pathlib import Path

from quantline.child.confine import confine
from quantline.child.ends import NO_SPACE_STATUS, classify
from quantline.quiet import leave_out_extras

_PR_SET_PDEATHSIG = 1


def _main(parent: str, call: str, answer: str) -> None:
    _end_with(int(parent))
    leave_out_extras()
    notes: list[str] = []
    outcome: tuple[bool, object]
    try:
        with Path(call).open("rb") as stream:
            path, confined = pickle.load(stream)  # noqa: S301 - written by our own parent
            # After the child's own: a folder of the parent's must not hide a library.
            sys.path += [entry for entry in path if entry not in sys.path]
            if confined:
                notes += confine(Path(call).parent)
            module, name, arguments = pickle.load(stream)  # noqa: S301
        outcome = (True, getattr(importlib.import_module(module), name)(*arguments))
        content = pickle.dumps((*outcome, notes))
    except Exception as error:  # whatever it is, the parent says it
        content = pickle.dumps((False, classify(error), notes))
    partial = Path(f"{answer}.partial")
    try:
        partial.write_bytes(content)
        partial.rename(answer)
    except OSError:
        sys.exit(NO_SPACE_STATUS)


def _end_with(parent: int) -> None:
    """Have the kernel end this process when its parent ends; Linux only."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended before it was asked for
        sys.exit(1)


def _leave() -> None:
    """End at once: threads of a library, such as those that feed a training, may never end."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)


if __name__ == "__main__":
    _main(*sys.argv[1:])
    _leave()
