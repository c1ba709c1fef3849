"""A trained model as it is kept: a ``.keras`` or ``.tflite`` file, or a SavedModel folder."""

from __future__ import annotations

import shutil
import uuid
from typing import TYPE_CHECKING, TypeAlias

from quantline.errors import ModelUnsupported
from quantline.files import (
    make_folder,
    not_written,
    sha256,
    sha256_of_files,
    write_atomic,
)
from quantline.quantization.original_source import kind_of
from quantline.tflite.graph import IDENTIFIER

if TYPE_CHECKING:
    from pathlib import Path

Content: TypeAlias = bytes | dict[str, bytes]
"""A file's bytes, or those of each file of a SavedModel by its path in the folder."""

# The name of each kind next to that of a '.keras' file.
SUFFIXES = (".keras", ".tflite", "")


def place_of_model(path: Path, content: Content) -> Path:
    """Return where a model is kept: the path of a ``.keras`` file, with the ending of its kind."""
    if isinstance(content, dict):
        return path.with_suffix("")
    return path.with_suffix(".tflite" if content[4:8] == IDENTIFIER else ".keras")


def sha256_of_model(content: Content) -> str:
    """Return the SHA-256 that the file or the folder has."""
    return sha256_of_files(content) if isinstance(content, dict) else sha256(content)


def read_model(path: Path) -> Content:
    """Read a model.

    Raises:
        ModelError: Nothing is there, or an empty file.
        ModelUnreadable: It is none of these kinds.
        ModelUnsupported: It is an ``.h5`` file.
    """
    kind = kind_of(path)
    if kind == "saved_model":
        files = (file for file in sorted(path.rglob("*")) if file.is_file())
        return {file.relative_to(path).as_posix(): file.read_bytes() for file in files}
    if path.suffix not in SUFFIXES:
        raise ModelUnsupported(
            f"'{path}' is not kept as a trained model",
            found=f"a file that ends in '{path.suffix}'",
            expected="a .keras file, a SavedModel folder or a float .tflite file",
            remedy="Save the model with model.save('name.keras')",
        )
    return path.read_bytes()


def write_model(path: Path, content: Content) -> Path:
    """Write a model, whole or not at all, and remove those of other kinds at the same place.

    Args:
        path: That of a ``.keras`` file; the ending is that of the model's kind.
        content: The model.

    Returns:
        The path that it has.

    Raises:
        OutputNotWritten: The folder is read-only, full, or not a folder.
    """
    place = place_of_model(path, content)
    if isinstance(content, dict):
        _write_folder(place, content)
    else:
        write_atomic(place, content)
    for suffix in SUFFIXES:
        other = path.with_suffix(suffix)
        if other == place:
            continue
        if suffix:
            other.unlink(missing_ok=True)
        elif (other / "saved_model.pb").is_file():
            shutil.rmtree(other)
    return place


def _write_folder(place: Path, content: dict[str, bytes]) -> None:
    make_folder(place.parent)
    partial = place.with_name(f".{uuid.uuid4().hex}.partial")
    try:
        for name, part in content.items():
            file = partial / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(part)
        if place.is_dir():
            shutil.rmtree(place)
        partial.replace(place)
    except OSError as error:
        size = sum(map(len, content.values()))
        raise not_written(place, error, f"a writable folder with {size:,} bytes free") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
