"""Reading regular files only: a pipe would block for ever, a device may never end."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# A .tflite file cannot be larger; what a user writes by hand is far smaller.
LARGEST_BYTES = 2 << 30

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_SAID = {
    errno.ENOENT: "no such file",
    errno.ENOTDIR: "a path through something that is not a folder",
    errno.ELOOP: "a loop of symbolic links",
    errno.ENAMETOOLONG: "a name that is too long for the file system",
    errno.EACCES: "a file that this user may not read",
}


class Unreadable(OSError):
    """A file cannot be read; the message says what was found, to be quoted in an error."""


def check_regular(path: str | Path) -> int:
    """Return the size of a regular file in bytes, without opening it."""
    try:
        found = os.stat(path)
    except (OSError, ValueError) as error:
        raise Unreadable(_reason(error)) from error
    _check_kind(found.st_mode)
    return found.st_size


@contextmanager
def open_file(path: str | Path) -> Iterator[IO[bytes]]:
    """Open a regular file for reading."""
    check_regular(path)
    try:
        # Should a pipe take the file's place meanwhile, opening it does not block either.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise Unreadable(_reason(error)) from error
    with os.fdopen(descriptor, "rb") as stream:
        _check_kind(os.fstat(descriptor).st_mode)
        yield stream


def read_file(path: str | Path, limit_bytes: int = LARGEST_BYTES) -> bytes:
    """Return the bytes of a regular file."""
    with open_file(path) as stream:
        try:
            # Not by the size that the system states: a file may grow, and one of /proc states 0.
            content = stream.read(limit_bytes + 1)
        except OSError as error:
            raise Unreadable(_reason(error)) from error
    if len(content) > limit_bytes:
        gib, mib = limit_bytes >> 30, limit_bytes >> 20
        raise Unreadable(f"a file of more than {f'{gib} GiB' if gib else f'{mib} MiB'}")
    return content


def read_text(path: str | Path, limit_bytes: int, encoding: str = "utf-8") -> str:
    """Return the text of a regular file."""
    try:
        return read_file(path, limit_bytes).decode(encoding)
    except UnicodeDecodeError as error:
        raise Unreadable(f"bytes that are no UTF-8 text, at byte {error.start:,}") from error


def _check_kind(mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = next((name for is_kind, name in _KINDS if is_kind(mode)), "no regular file")
        raise Unreadable(kind)


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        return _SAID.get(error.errno) or os.strerror(error.errno)
    return f"a name that no file can have ({error})"
