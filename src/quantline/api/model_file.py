"""A ``.tflite`` model that a function is given: its path, or its bytes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from quantline.errors import ModelError, ModelUnreadable, ParameterError, first_few
from quantline.reading import Unreadable, read_file

if TYPE_CHECKING:
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
        raise _unreadable(path, str(error), remedy) from error
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


def _unreadable(path: Path, found: str, remedy: str) -> ModelUnreadable:
    return ModelUnreadable(
        f"'{path}' cannot be read", found=found, expected="a .tflite file", remedy=remedy
    )


def list_files(folder: Path, *suffixes: str) -> str:
    """Return the names of a folder's files with these suffixes, or why they cannot be listed.

    Args:
        folder: The folder.
        suffixes: Such as ``.npz``; the first is named where no file has any of them.
    """
    try:
        names = sorted(path.name for path in folder.glob("*") if path.suffix in suffixes)
    except OSError as error:
        return f"{error.strerror or error}"
    return f"in '{folder}': {first_few(names) or f'no {suffixes[0]} file'}"
