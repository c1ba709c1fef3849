"""A ``.tflite`` file that a command is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantline.errors import ModelNotFound, ModelUnreadable, first_few

if TYPE_CHECKING:
    from pathlib import Path

    from quantline.tflite import Graph


def read_model(path: Path) -> tuple[bytes, Graph]:
    """Return a file's bytes and what they hold; it is given by its path, whatever its ending.

    Raises:
        ModelNotFound: There is no such file.
        ModelUnreadable: It is no whole ``.tflite`` file.
    """
    from quantline.tflite import read
    from quantline.tflite.unpack import IDENTIFIER

    remedy = "Give a .tflite file; 'quantline quantize' makes one of a trained model"
    if not path.exists():
        near = sorted(each.name for each in path.parent.glob("*.tflite"))
        raise ModelNotFound(
            f"There is no model at '{path}'",
            found=f"in '{path.parent}': {first_few(near) or 'no .tflite file'}",
            expected="a .tflite file",
            remedy="Check the path",
        )
    try:
        content = path.read_bytes() if path.is_file() else None
    except OSError as error:
        raise _unreadable(path, f"{error.strerror} ({type(error).__name__})", remedy) from error
    if content is None:
        kind = "a folder" if path.is_dir() else "something that is not a file"
        raise _unreadable(path, kind, remedy)
    try:
        return content, read(content, f"'{path}'")
    except ModelUnreadable as error:
        if content[4:8] == IDENTIFIER:
            raise
        raise ModelUnreadable(
            error.what, found=error.found, expected=error.expected, remedy=remedy
        ) from error


def _unreadable(path: Path, found: str, remedy: str) -> ModelUnreadable:
    return ModelUnreadable(
        f"'{path}' cannot be read", found=found, expected="a .tflite file", remedy=remedy
    )
