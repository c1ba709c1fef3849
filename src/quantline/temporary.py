"""Temporary folders that are removed even after their process was killed."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from quantline.errors import OutputNotWritten

if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFIX = "quantline-"
_LOCK = ".in-use"
# A folder is younger than this while its owner has made it and not locked it yet.
_YOUNG_S = 60.0
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Make a temporary folder, and remove it at the end.

    A process that is killed leaves its folder behind. Each folder therefore holds a file that its
    process keeps locked, and whoever makes the next folder first removes those of the same user
    whose lock nobody holds.

    Raises:
        OutputNotWritten: No folder can be made, or the disk is full.
    """
    try:
        root = Path(tempfile.gettempdir())
        _remove_abandoned(root)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=root))
    except OSError as error:
        raise unusable(error) from error
    try:
        with (folder / _LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
    except OSError as error:
        named = str(error.filename or folder)
        if is_out_of_space(error) and named.startswith(str(folder)):
            raise unusable(error) from error
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def is_out_of_space(error: BaseException) -> bool:
    """Return True if an error says that a disk is full, or a quota used up."""
    return isinstance(error, OSError) and (
        error.errno in _NO_SPACE or os.strerror(errno.ENOSPC) in str(error)
    )


def unusable(error: OSError) -> OutputNotWritten:
    """Return the error of a folder for temporary files that cannot be used."""
    try:
        root = tempfile.gettempdir()
    except OSError:
        root = os.environ.get("TMPDIR", "none")
    return OutputNotWritten(
        "The folder for temporary files cannot be written",
        found=f"{error.strerror or error} ({type(error).__name__}), in '{root}'",
        expected="a writable folder with free space",
        remedy="Free space there, or set the environment variable TMPDIR to a folder that has it, "
        "and run the same command again",
    )


def _remove_abandoned(root: Path) -> None:
    """Remove the folders of processes that were killed."""
    for lock in root.glob(f"{_PREFIX}*/{_LOCK}"):
        try:
            about = lock.stat(follow_symlinks=False)
            if about.st_uid != os.getuid() or time.time() - about.st_mtime < _YOUNG_S:
                continue
            with lock.open("r+") as stream:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(lock.parent, ignore_errors=True)
        except OSError:
            continue  # in use, or already removed by another process
