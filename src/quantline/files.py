"""Writing files so that equal content has equal bytes, and nothing is ever half-written."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING, Any

from quantline.errors import ModelNotFound, OutputNotWritten

if TYPE_CHECKING:
    from pathlib import Path


def write_atomic(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` through a temporary file in the same folder.

    A killed process leaves the old file or the new one, never a part; the name of the temporary
    file is fixed, so that what a kill leaves behind is overwritten by the next run.

    Raises:
        OutputNotWritten: The folder is read-only, full, or not a folder.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    except OSError as error:
        try:
            partial.unlink(missing_ok=True)
        except OSError:
            pass  # the reason that matters is the first one
        raise _not_written(
            path, error, f"a writable folder with {len(content):,} bytes free"
        ) from error


def make_folder(path: Path) -> None:
    """Make a folder and those above it, unless it is there.

    Raises:
        OutputNotWritten: It is a file, or the folder above it is read-only or full.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _not_written(path, error, "a folder, or a place where one can be made") from error


def _not_written(path: Path, error: OSError, expected: str) -> OutputNotWritten:
    return OutputNotWritten(
        f"The result '{path}' could not be written",
        found=f"{error.strerror or error} ({type(error).__name__})",
        expected=expected,
        remedy="Free space or make the folder writable, then run the same command again: "
        "nothing was half-written",
    )


def canonical_json(value: Any) -> bytes:
    """Return ``value`` as JSON with sorted keys and a trailing newline; NaN is refused."""
    return (json.dumps(value, sort_keys=True, indent=1, allow_nan=False) + "\n").encode()


def check_writable(path: Path) -> None:
    """Check that a file can be written, before the work that makes its content.

    Raises:
        OutputNotWritten: The folder is read-only, full, or not a folder, or the file is a folder.
    """
    if path.is_dir():
        raise OutputNotWritten(
            f"The result '{path}' could not be written",
            found="a folder of that name",
            expected="a file, or nothing",
            remedy="Move the folder away",
        )
    probe = path.with_name(f".{path.name}.partial")
    write_atomic(probe, b"")
    probe.unlink()


def sha256(content: bytes | bytearray | memoryview) -> str:
    """Return the SHA-256 of ``content`` in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def sha256_of_path(path: Path) -> str:
    """Return the SHA-256 of a file, or of a folder's file names and contents in sorted order.

    Raises:
        ModelNotFound: Nothing is there.
    """
    if path.is_file():
        return sha256(path.read_bytes())
    if not path.is_dir():
        raise ModelNotFound(
            f"'{path}' cannot be hashed",
            found="no file or folder of that name",
            expected="an existing file or folder",
            remedy="Check the path",
        )
    total = hashlib.sha256()
    for file in sorted(each for each in path.rglob("*") if each.is_file()):
        total.update(f"{file.relative_to(path).as_posix()}\0{sha256(file.read_bytes())}\0".encode())
    return total.hexdigest()
