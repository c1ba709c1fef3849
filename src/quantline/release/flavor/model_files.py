"""The files of one quantized model, read and checked to belong together before they are saved."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quantline.contract.vectors import Golden, check_ports
from quantline.errors import DataError, MismatchError, ResultMissing, first_line
from quantline.files import sha256
from quantline.tflite import read

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from quantline.tflite import Graph

MODEL, RECIPE, RANGES, LABELS = "model.tflite", "recipe.json", "ranges.json", "labels.txt"
GOLDEN = "golden.npz"
SAVED_AS = {
    "model": MODEL, "recipe": RECIPE, "golden": GOLDEN, "ranges": RANGES, "labels": LABELS,
}  # fmt: skip
NEEDED = (MODEL, RECIPE, GOLDEN)
_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class ModelFiles:
    """The paths of the files of one quantized model.

    Attributes:
        model: The ``.tflite`` file.
        recipe: The recipe that was written with it.
        golden: Its golden vectors.
        ranges: The ranges it was quantized with; None for schemes whose activations stay float.
        labels: The classes' names, one a line, in the order of the model's outputs.
        manifest: The manifest of its examples, of which only the hashes are saved.
    """

    model: Path
    recipe: Path
    golden: Path
    ranges: Path | None = None
    labels: Path | None = None
    manifest: Path | None = None

    def named(self) -> dict[str, Path]:
        """Return those that are saved, by their names there."""
        paths = {name: getattr(self, field) for field, name in SAVED_AS.items()}
        return {name: path for name, path in paths.items() if path is not None}

    @classmethod
    def in_folder(cls, folder: Path, names: Collection[str]) -> ModelFiles:
        """Return the files of these names in a saved model's folder."""
        return cls(**{field: folder / name for field, name in SAVED_AS.items() if name in names})


@dataclass(frozen=True, eq=False)
class Contents:
    """The contents of the files of one quantized model.

    Attributes:
        stored: Each file's bytes, by its name in a saved model.
        graph: The model.
        recipe: How it was made.
        golden: Its golden vectors.
        manifests: The hashes of its calibration and evaluation examples, where they are known.
    """

    stored: Mapping[str, bytes]
    graph: Graph
    recipe: Mapping[str, Any]
    golden: Golden
    manifests: Mapping[str, str]

    @property
    def sha256(self) -> dict[str, str]:
        """The SHA-256 of each file, by its name in a saved model."""
        return {name: sha256(content) for name, content in self.stored.items()}


def read_files(files: ModelFiles) -> Contents:
    """Read the files of a model and check that they belong together.

    Raises:
        ResultMissing: A file is not there, or the recipe, the ranges or the manifest is none.
        ModelUnreadable: The model is no ``.tflite`` file.
        MismatchError: The golden vectors are none, or have other inputs or outputs.
        MismatchError: The recipe, ranges, golden vectors or manifest are another model's.
        DataError: There are more or fewer labels than classes.
    """
    stored = {name: _bytes(path) for name, path in files.named().items()}
    graph = read(stored[MODEL], f"the file '{files.model}'")
    recipe = _json(files.recipe, stored[RECIPE], ("float_model_sha256", "int8_model_sha256"))
    golden = Golden.load(files.golden)
    for vector in golden.vectors:
        check_ports(graph, vector)
    model = sha256(stored[MODEL])
    _check_same(files.recipe, recipe["int8_model_sha256"], model)
    _check_same(files.golden, golden.model_sha256, model)
    if files.ranges is not None:
        ranges = _json(files.ranges, stored[RANGES], ("float_model_sha256",))
        _check_same(files.ranges, ranges["float_model_sha256"], recipe["float_model_sha256"])
    if files.labels is not None:
        _check_labels(files.labels, stored[LABELS], graph)
    return Contents(stored, graph, recipe, golden, _manifests(files.manifest, recipe))


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ResultMissing(
            f"'{path}' cannot be saved with the model",
            found=f"{error.strerror or error} ({type(error).__name__})",
            expected="a file that was written when the model was quantized",
            remedy="Check the path, or quantize the model again",
        ) from error


def _json(path: Path, content: bytes, keys: tuple[str, ...]) -> dict[str, Any]:
    """Return the values of a file, of which these must be hashes."""
    expected = f"JSON with {' and '.join(keys)}" if keys else "JSON"
    try:
        values = dict(json.loads(content))
        hashes = {key: values[key] for key in keys}
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _not_written(path, first_line(error), expected) from error
    for key, value in hashes.items():
        _check_hash(path, key, value)
    return values


def _check_hash(path: Path, name: str, value: Any) -> None:
    if not (isinstance(value, str) and _SHA256.fullmatch(value)):
        shown = repr(value) if len(repr(value)) <= 60 else f"{repr(value)[:60]} ..."
        raise _not_written(path, f"{shown} as its '{name}'", "a SHA-256 of 64 hexadecimal digits")


def _not_written(path: Path, found: str, expected: str) -> ResultMissing:
    return ResultMissing(
        f"'{path}' is not what a stage, or 'quantline quantize', writes",
        found=found,
        expected=expected,
        remedy="Give the file that was written with the model",
    )


def _manifests(path: Path | None, recipe: Mapping[str, Any]) -> dict[str, str]:
    if path is None:
        return {}
    parts = _json(path, _bytes(path), ())
    try:
        found = {f"{name}_sha256": parts[name]["sha256"] for name in ("calibration", "evaluation")}
    except (KeyError, TypeError) as error:
        raise _not_written(path, first_line(error), "a manifest of examples") from error
    for name, value in found.items():
        _check_hash(path, name, value)
    calibrated = recipe.get("samples_sha256") or []
    if not isinstance(calibrated, list):
        raise _not_written(path, f"{calibrated!r:.60} as the recipe's 'samples_sha256'", "a list")
    if calibrated and found["calibration_sha256"] not in calibrated:
        _check_same(path, found["calibration_sha256"], calibrated[0])
    return found


def _check_same(path: Path, found: str, expected: str) -> None:
    if found != expected:
        raise MismatchError(
            f"'{path}' does not belong to the model that it is to be saved with",
            found=f"the SHA-256 {found[:12]} in it",
            expected=f"{str(expected)[:12]}, as the other files have it",
            remedy="Give the files that were written together, or run the stages again",
        )


def _check_labels(path: Path, content: bytes, graph: Graph) -> None:
    labels = content.decode(errors="replace").splitlines()
    outputs = graph.main.outputs
    classes = len(labels)  # with several outputs, it is not known which one is the classes
    if len(outputs) == 1:
        units = abs((1, *graph.main.tensors[outputs[0]].shape)[-1])
        classes = max(2, units)  # a single sigmoid tells two apart
    if not labels or "" in labels or len(labels) != classes:
        raise DataError(
            f"The labels '{path}' are not those of the model's classes",
            found=f"{len(labels)} lines, {labels.count('')} of them empty",
            expected=f"a line for each of {classes} classes" if classes else "a line a class",
            remedy="Give the names in the order of the model's outputs",
        )
