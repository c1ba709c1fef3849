"""Unpacking of untrusted bytes to the schema's object tree."""

from __future__ import annotations

from typing import Any

from ai_edge_litert import schema_py_generated as schema

from quantline.errors import ModelError, ModelUnreadable
from quantline.tflite.consistency import check_consistency
from quantline.tflite.verify import Damage, verify

IDENTIFIER = b"TFL3"

# Files given in place of a .tflite file: their first bytes, their kind, and the remedy.
_OTHER_FORMATS = (
    (
        b"PK\x03\x04",
        "a zip file",
        "If it is a Keras 3 model, name it .keras; if it is an archive, unpack the model first",
    ),
    (b"\x89HDF", "an HDF5 file", "If it is a Keras model, name it .h5"),
    (b"\x1f\x8b", "a gzip file", "Unpack it first"),
    (b"version https://git-lfs", "a pointer of Git LFS", "Fetch the file itself: git lfs pull"),
    (b"<", "a page of HTML or XML", "Download the file itself, and not the page that shows it"),
    (b"{", "a JSON file", "Give the model itself, and not a description of it"),
)


def unpack(model: bytes, name: str) -> Any:
    """Unpack a ``.tflite`` file once it is known to hold together.

    Args:
        model: The file's bytes.
        name: The model's name in errors.

    Returns:
        The schema's mutable object tree (``ModelT``). Every index in it names something that is
        there, and every constant fills its tensor's shape.

    Raises:
        ModelError: There are no bytes.
        ModelUnreadable: The bytes are not a whole ``.tflite`` file.
    """
    if not model:
        raise ModelError(
            f"{name} is empty",
            found="0 bytes",
            expected="a .tflite file",
            remedy="Write or copy the file again",
        )
    if model[4:8] != IDENTIFIER:
        raise _another_format(model, name)
    try:
        verify(model)
        tree = schema.ModelT.InitFromPackedBuf(bytes(model), 0)
        check_consistency(tree, model)
    except Damage as damage:
        raise ModelUnreadable(
            f"{name} is a damaged .tflite file",
            found=f"{damage.where}: {damage.found}",
            expected=damage.expected,
            remedy="Copy it again, as it may have been cut off, or write it with another tool",
        ) from damage
    return tree


def _another_format(model: bytes, name: str) -> ModelUnreadable:
    what = f"{name} is not a .tflite file"
    remedy = "Give the path of a .tflite file, a Keras 3 .keras file or a SavedModel folder"
    for start, kind, advice in _OTHER_FORMATS:
        if model.startswith(start):
            what, remedy = f"{name} is {kind}, not a .tflite file", advice
    return ModelUnreadable(
        what,
        found=f"{len(model):,} bytes that begin with {bytes(model[:8])!r}",
        expected="the file identifier TFL3 at byte 4",
        remedy=remedy,
    )
