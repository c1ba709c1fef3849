"""The files of a function: models that it is given, and results, written whole or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from quantline import files
from quantline.errors import (
    ModelError,
    ModelUnreadable,
    OutputNotWritten,
    ParameterError,
    first_few,
)
from quantline.reading import Unreadable, read_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from quantline.api.given import ModelLike
    from quantline.tflite import Graph


def read_model(path: Path) -> tuple[bytes, Graph]:
    """Return a file's bytes and what they hold; it is given by its path, whatever its ending."""
    from quantline.tflite import read
    from quantline.tflite.graph import IDENTIFIER

    remedy = "Give a .tflite file; 'quantline quantize' makes one of a trained model"
    if not os.path.exists(path):
        raise ModelError(
            f"There is no model at '{path}'",
            found=list_files(path.parent, ".tflite"),
            expected="a .tflite file",
            remedy="Check the path",
        )
    try:
        content = read_file(path)
    except Unreadable as error:
        raise ModelUnreadable(
            f"'{path}' cannot be read", found=str(error), expected="a .tflite file", remedy=remedy
        ) from error
    try:
        return content, read(content, f"'{path}'")
    except ModelUnreadable as error:
        if content[4:8] == IDENTIFIER:
            raise
        raise ModelUnreadable(
            error.what, found=error.found, expected=error.expected, remedy=remedy
        ) from error


def read_tflite(model: ModelLike) -> tuple[str, bytes, Graph]:
    """Return what to call a ``.tflite`` model, its bytes and what they hold."""
    from quantline.tflite import read

    if isinstance(model, str | os.PathLike):
        content, graph = read_model(Path(model))
        return f"'{os.fspath(model)}'", content, graph
    content = getattr(model, "content", model)
    if not isinstance(content, bytes | bytearray | memoryview):
        raise ParameterError(
            "A quantized model is given as nothing that can be read",
            found=f"a value of the type {type(model).__name__}",
            expected="the path of a .tflite file, its bytes, or what quantize returned",
            remedy="Write the model to a .tflite file, and pass its path",
        )
    return "the model in memory", bytes(content), read(bytes(content), "The model in memory")


def list_files(folder: Path, *suffixes: str) -> str:
    """Return the names of a folder's files with these suffixes, or why they cannot be listed."""
    try:
        names = sorted(path.name for path in folder.glob("*") if path.suffix in suffixes)
    except OSError as error:
        return f"{error.strerror or error}"
    return f"in '{folder}': {first_few(names) or f'no {suffixes[0]} file'}"


def check_outputs(outputs: Iterable[Path], inputs: Iterable[str | None], *, suffix: str) -> None:
    """Refuse output files that could not be written, before anything is computed."""
    outputs = list(outputs)
    given = [Path(model_input) for model_input in inputs if model_input is not None]
    if outputs[0].suffix != suffix:
        raise OutputNotWritten(
            f"The result cannot be called '{outputs[0]}'",
            found=f"a name that ends in '{outputs[0].suffix}'",
            expected=f"a name that ends in '{suffix}'",
            remedy=f"Give '{outputs[0].with_suffix(suffix)}'",
        )
    for path in outputs:
        for item in given:
            if _is_same(path, item):
                raise OutputNotWritten(
                    f"The result '{path}' would replace what it is made from",
                    found=f"'{item}' as an input",
                    expected="another file than the inputs",
                    remedy="Give another name",
                )
        # Unlike pathlib's, these take a name that no file can have.
        if os.path.exists(path) and not os.path.isfile(path):
            kind = "a folder" if os.path.isdir(path) else "a pipe or a device"
            raise OutputNotWritten(
                f"The result '{path}' cannot be written",
                found=f"{kind} of that name",
                expected="a file, or nothing there yet",
                remedy="Give a file's name",
            )
        _check_folder(path)


def write_together(contents: Mapping[Path, bytes], *, force: bool) -> None:
    """Write files so that all of them appear, or none; what is there already and equal stays."""
    if not force:
        for path, content in contents.items():
            if path.exists() and not _holds(path, content):
                raise OutputNotWritten(
                    f"'{path}' is there already and holds something else",
                    found=f"a different file of {path.stat().st_size:,} bytes",
                    expected="no file, or one of the same content",
                    remedy="Give another name, or use `overwrite=True` to replace it",
                )
    try:
        files.write_together(contents)
    except OutputNotWritten as error:
        cause = error.__cause__
        assert isinstance(cause, OSError)  # noqa: S101 - nothing else makes that error
        raise _unwritable(next(iter(contents)), cause) from cause


def _check_folder(path: Path) -> None:
    """Try to create a file in the output's folder, or in the first parent that exists."""
    folder = path.absolute().parent
    while not os.path.exists(folder):
        folder = folder.parent
    try:
        path.exists()  # an error where the name is too long
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, ValueError) as error:
        raise _unwritable(path, error) from error


def _holds(path: Path, content: bytes) -> bool:
    try:
        return read_file(path, len(content)) == content
    except Unreadable:
        return False  # larger, or no regular file


def _unwritable(path: Path, error: OSError | ValueError) -> OutputNotWritten:
    return OutputNotWritten(
        f"The result '{path}' cannot be written",
        found=f"{getattr(error, 'strerror', None) or error} ({type(error).__name__})",
        expected="a folder that can be written to, with space left",
        remedy="Give a shorter name"
        if getattr(error, "errno", None) == errno.ENAMETOOLONG
        else "Give another folder, or free space; nothing was half-written",
    )


def _is_same(path: Path, other: Path) -> bool:
    try:
        return path.resolve() == other.resolve() or path.samefile(other)
    except (OSError, ValueError, RuntimeError):  # one is not there, or cannot be
        return False
