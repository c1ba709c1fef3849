"""Checks of the files of a prepared TFDS dataset, before TFDS opens them and when it fails.

TFDS says neither which file is damaged nor, of some damage, that there is any.
"""

from __future__ import annotations

import json
import re
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantline.errors import UnsafeModel, first_few, first_line
from quantline.quiet import tensorflow
from quantline.reading import Unreadable, check_regular, read_file

if TYPE_CHECKING:
    from collections.abc import Iterator

DESCRIPTION = ("dataset_info.json", "features.json")
_LARGEST_JSON_BYTES = 64 << 20
_LEVELS = 3  # CONFIG/VERSION/file
# The module whose classes a description may name, and the keys that TFDS looks such names up by.
_OWN = "tensorflow_datasets."
_CLASS_KEYS = ("pythonClassName", "python_class_name", "type")
# What TensorFlow puts around the cause: where in its graph, and in which call.
_AROUND = re.compile(r"\{\{.*?\}\}|\[\[.*?\]\]|\[Op:\w+\].*|^\s*\w+:/job:\S+\s*", re.DOTALL)


def refuse_odd_files(folder: Path) -> None:
    """Refuse a folder that contains pipes or devices: TFDS would block on them.

    Raises:
        Unreadable: The first of them; the error names it.
    """
    for path in _files(folder, _LEVELS):
        try:
            size_bytes = check_regular(path)
        except Unreadable as error:
            raise Unreadable(f"'{path}': {error}") from error
        if path.suffix == ".json" and size_bytes > _LARGEST_JSON_BYTES:
            raise Unreadable(f"'{path}' has {size_bytes:,} bytes")


def _files(folder: Path, levels: int) -> Iterator[Path]:
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if not path.is_dir():
            yield path
        elif levels > 1:
            yield from _files(path, levels - 1)


def broken_description(folder: Path, error: Exception) -> str:
    """Return the name of the damaged file of a dataset's description, and the damage.

    Args:
        folder: The folder of the dataset's version.
        error: What TFDS said.
    """
    for name in DESCRIPTION:
        path = folder / name
        try:
            json.loads(read_file(path, _LARGEST_JSON_BYTES))
        except (Unreadable, ValueError, RecursionError) as reason:
            return f"'{name}' cannot be read: {_cause(reason)}"
    return f"'{DESCRIPTION[0]}' or '{DESCRIPTION[1]}' does not describe a dataset: {_cause(error)}"


def broken_shard(builder: Any, split: str, error: Exception | None) -> str:
    """Return the names of a split's damaged files, and the damage; every record is read.

    Args:
        builder: The TFDS builder.
        split: A split expression.
        error: What TFDS or TensorFlow said; None where they say nothing.
    """
    names = set(re.findall(r"\w+", split))
    found = [
        fault
        for name, info in builder.info.splits.items()
        if (name in names or "all" in names) and str(info.filename_template).count("tfrecord")
        for path, count in zip(info.filepaths, info.shard_lengths, strict=True)
        if (fault := _fault(Path(path), count))
    ]
    said = [_cause(error)] if error is not None and not found else []
    return first_few(list(chain(found, said)), 3) or "another number of examples than it is said to"


def _fault(path: Path, count: int) -> str | None:
    """Return the damage of a file of records; None if it is whole."""
    tf = tensorflow()
    records = 0
    try:
        check_regular(path)
        for _ in tf.data.TFRecordDataset(str(path)):
            records += 1
    except (Unreadable, tf.errors.OpError) as error:
        return f"'{path.name}': {_cause(error)}, after {records:,} of {count:,} examples"
    return None if records == count else f"'{path.name}' holds {records:,} of {count:,} examples"


def _cause(error: Exception) -> str:
    if isinstance(error, Unreadable):
        return str(error)
    return first_line(error, " ".join(_AROUND.sub(" ", str(error)).split()))


def refuse_other_code(folder: Path) -> None:
    """Refuse a dataset whose description names foreign code, which TFDS would import.

    Args:
        folder: The dataset's folder, with those of its versions below it.

    Raises:
        UnsafeModel: It names a class of another module.
    """
    for path in _files(folder, _LEVELS):
        if path.name != "features.json":
            continue
        try:
            description = json.loads(read_file(path))
        except (ValueError, RecursionError):
            continue  # of what is no JSON TFDS itself says so
        foreign = [name for name in _classes(description) if not name.startswith(_OWN)]
        if foreign:
            raise UnsafeModel(
                f"The dataset in '{path.parent}' names code that reading it would import",
                found=f"in '{path.name}': {first_few(foreign, 3)}",
                expected="features of TFDS alone",
                remedy="If you trust the dataset, prepare it again with features of TFDS, or give "
                "its examples as image files or numpy archives",
            )


def _classes(description: Any) -> Iterator[str]:
    """Yield the classes that a description of features names, as TFDS looks them up."""
    levels = [description]
    while levels:
        value = levels.pop()
        if isinstance(value, dict):
            named = (value.get(key) for key in _CLASS_KEYS)
            yield from (name for name in named if isinstance(name, str) and "." in name)
        levels += (
            value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        )
