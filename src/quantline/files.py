"""Writing files: equal bytes for equal content, and never a part of one."""

from __future__ import annotations

import hashlib
import json
import os
import time
import uuid
from contextlib import suppress
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from quantline.errors import ModelError, OutputNotWritten

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from _typeshed import DataclassInstance

_PARTIAL = ".partial"
# A process that writes a file touches it all the time; one this old was left by a killed process.
_ABANDONED_S = 3600.0


def write_atomic(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` through a temporary file in the same folder.

    A killed process leaves the old file or the new one, never a part. Of several processes that
    write the same file at once the last one wins, whole: each has a temporary file of its own.

    Raises:
        OutputNotWritten: The folder is read-only, full, or not a folder.
    """
    write_together({path: content})


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Write several files, each whole; none of them is touched before all could be stored.

    Args:
        contents: The bytes of each file.

    Raises:
        OutputNotWritten: A folder is read-only, full, or not a folder.
    """
    partials: dict[Path, Path] = {}
    writing = next(iter(contents), None)
    try:
        for path, content in contents.items():
            writing = path
            path.parent.mkdir(parents=True, exist_ok=True)
            # Short: with the file's own name in it, it could be longer than a name may be.
            partials[path] = path.with_name(f".{uuid.uuid4().hex}{_PARTIAL}")
            with partials[path].open("xb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
        for path, partial in partials.items():
            writing = path
            partial.replace(path)
    except OSError as error:
        assert writing is not None  # noqa: S101 - the loops have run
        size = len(contents[writing])
        raise not_written(writing, error, f"a writable folder with {size:,} bytes free") from error
    finally:  # also where Ctrl-C ends it
        for partial in partials.values():
            with suppress(OSError):  # the reason that matters is the first one
                partial.unlink(missing_ok=True)
    for folder in {path.parent for path in contents}:
        remove_partials(folder, _ABANDONED_S)


def remove_partials(folder: Path, older_than_s: float = 0.0) -> None:
    """Remove the temporary files that killed processes left in a folder.

    Args:
        folder: The folder; those below it are left alone.
        older_than_s: Only files that were last written this many seconds ago; 0 for all, where
            nobody else can be writing.
    """
    before = time.time() - older_than_s
    for partial in folder.glob(f".*{_PARTIAL}"):
        with suppress(OSError):  # another process may have been quicker
            if not older_than_s or partial.stat().st_mtime < before:
                partial.unlink()


def make_folder(path: Path) -> None:
    """Make a folder and those above it, unless it is there.

    Raises:
        OutputNotWritten: It is a file, or the folder above it is read-only or full.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise not_written(path, error, "a folder, or a place where one can be made") from error


def not_written(path: Path, error: OSError, expected: str) -> OutputNotWritten:
    """Return the error of a result that the system does not let be written."""
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


def plain(record: DataclassInstance, **more: Any) -> dict[str, Any]:
    """Return the fields of a dataclass as plain JSON values, and ``more`` next to or over them.

    An enumeration becomes its value, a tuple a list, and a record within the record what its own
    ``to_dict`` returns, or its fields.
    """
    own = {field.name: getattr(record, field.name) for field in fields(record)}
    return {name: _plain(value) for name, value in (own | more).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return value.to_dict() if hasattr(value, "to_dict") else plain(value)
    return value


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
        ModelError: Nothing is there.
    """
    if path.is_file():
        return sha256(path.read_bytes())
    if not path.is_dir():
        raise ModelError(
            f"'{path}' cannot be hashed",
            found="no file or folder of that name",
            expected="an existing file or folder",
            remedy="Check the path",
        )
    files = (file for file in path.rglob("*") if file.is_file())
    return sha256_of_files({file.relative_to(path).as_posix(): file.read_bytes() for file in files})


def sha256_of_files(contents: Mapping[str, bytes]) -> str:
    """Return the SHA-256 of files that are one folder, as :func:`sha256_of_path` gives it.

    Args:
        contents: The bytes of each file by its path in the folder.
    """
    total = hashlib.sha256()
    for name in sorted(contents, key=lambda path: path.split("/")):
        total.update(f"{name}\0{sha256(contents[name])}\0".encode())
    return total.hexdigest()
