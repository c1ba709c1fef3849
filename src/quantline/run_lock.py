"""The lock of a data folder: one run at a time writes there.

The operating system holds it for the process (``flock``), so a process that is killed leaves none.
The file next to it only says who holds it.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import shlex
import socket
import sys
import time
from typing import TYPE_CHECKING

from quantline.errors import RunInProgress
from quantline.files import make_folder, not_written

if TYPE_CHECKING:
    from pathlib import Path
    from typing import IO

logger = logging.getLogger(__name__)
NAME = ".run.lock"
_PAUSE_S = 0.2


class RunLock:
    """The lock of one data folder, held until it is released or the process ends.

    Attributes:
        folder: The data folder.
    """

    def __init__(self, folder: Path, stream: IO[str]) -> None:
        self.folder = folder
        self._stream = stream

    @classmethod
    def acquire(cls, folder: Path, wait_s: float = 0.0) -> RunLock:
        """Take the lock of a data folder.

        Args:
            folder: The data folder; it is made if it is not there.
            wait_s: How long to wait for another run to end, seconds.

        Raises:
            RunInProgress: Another run held the lock all the time.
            OutputNotWritten: The folder cannot be written.
        """
        make_folder(folder)
        try:
            stream = (folder / NAME).open("a+")
        except OSError as error:
            raise not_written(folder / NAME, error, "a writable folder") from error
        deadline = time.monotonic() + wait_s
        waiting = False
        while not _taken(stream, folder):
            if time.monotonic() >= deadline:
                holder = _holder(folder)
                stream.close()
                raise RunInProgress(
                    f"Another run is at work in '{folder}'",
                    found=holder,
                    expected="one run at a time in a data folder"
                    + (f", or its end within {wait_s:g} s" if wait_s else ""),
                    remedy="Run the same command again when the other has ended, set "
                    "`lock_wait_s` to wait for it, or work in an environment of your own with "
                    "`env=NAME`, which has a data folder of its own",
                )
            if not waiting:
                logger.info("waiting up to %g s for another run: %s", wait_s, _holder(folder))
                waiting = True
            time.sleep(_PAUSE_S)
        stream.truncate(0)
        stream.write(json.dumps(_about()))
        stream.flush()
        return cls(folder, stream)

    def release(self) -> None:
        """Release the lock."""
        if not self._stream.closed:
            self._stream.truncate(0)
            self._stream.close()


def _taken(stream: IO[str], folder: Path) -> bool:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:  # some network file systems have no locks
        logger.warning(
            "The data folder '%s' cannot be locked (%s): do not start a second run in it.",
            folder,
            error.strerror,
        )
    return True


def _about() -> dict[str, str | int]:
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "command": shlex.join([os.path.basename(sys.argv[0]), *sys.argv[1:]]),
        "since": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
    }


def _holder(folder: Path) -> str:
    try:
        about = json.loads((folder / NAME).read_text())
        return (
            f"process {about['pid']} on '{about['host']}', since {about['since']}: "
            f"{about['command']}"
        )
    except (OSError, ValueError, KeyError, TypeError):
        return "a process that has just begun or just ended"
