"""Models and samples as callers give them: paths, bytes, objects, arrays; how they are read."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict, cast

from quantline import recipe
from quantline.errors import ParameterError, QuantlineError, suggest
from quantline.files import sha256
from quantline.recipe.check import check_arguments
from quantline.temporary import temporary_folder
from quantline.tflite.graph import IDENTIFIER

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import numpy.typing as npt


ModelLike: TypeAlias = "str | os.PathLike[str] | bytes | Any"
"""A model: the path of a Keras file, a SavedModel folder or a ``.tflite`` file, such a file's
bytes, or a Keras model."""
SamplesLike: TypeAlias = (
    "str | os.PathLike[str] | np.ndarray | Mapping[str, npt.ArrayLike] "
    "| Iterable[npt.ArrayLike | Mapping[str, npt.ArrayLike]]"
)
"""Samples: the path of a ``.npz`` or ``.npy`` file, an array of shape (n_samples, ...), such an
array for each input by its name, or single samples one after another."""

_MODELS = "a path, a file's bytes, or a Keras model"
_SUFFIXES = ((b"PK\x03\x04", ".keras"), (b"\x89HDF\r\n\x1a\n", ".h5"))


@contextmanager
def as_file(model: ModelLike) -> Iterator[Path]:
    """Give a model as a file or folder; what is in memory is written to a temporary one.

    Raises:
        ParameterError: It is neither a path nor bytes nor a Keras model.
    """
    if isinstance(model, str | os.PathLike):
        yield Path(model)
        return
    with temporary_folder() as folder:
        path = _write(model, folder)
        try:
            yield path
        except QuantlineError as error:
            texts = (error.what, error.found, error.expected, error.remedy)
            what, found, expected, remedy = (
                text.replace(f"'{path}'", "`model`").replace(str(path), "`model`") for text in texts
            )
            raise type(error)(
                what, found=found, expected=expected, remedy=remedy, details=error.details
            ) from error


def _write(model: Any, folder: Path) -> Path:
    if isinstance(model, bytes | bytearray | memoryview):
        content = bytes(model)
        path = folder / f"model{_suffix(content)}"
        path.write_bytes(content)
        return path
    if hasattr(model, "get_config") and hasattr(model, "save") and hasattr(model, "weights"):
        # A file of Keras 2 in the new format says it is one of Keras 3.
        suffix = ".h5" if type(model).__module__.startswith("tf_keras") else ".keras"
        path = folder / f"{model.name or 'model'}{suffix}"
        model.save(path)
        return path
    raise ParameterError(
        "The argument `model` is nothing that can be read as a model",
        found=f"a value of the type {type(model).__name__}",
        expected=_MODELS,
        remedy="Save the model to a file, and pass its path",
    )


def _suffix(content: bytes) -> str:
    if content[4:8] == IDENTIFIER:
        return ".tflite"
    for start, suffix in _SUFFIXES:
        if content.startswith(start):
            return suffix
    raise ParameterError(
        "The argument `model` holds the bytes of no model",
        found=f"{len(content):,} bytes that begin with {content[:8]!r}",
        expected="the bytes of a .tflite, .keras or .h5 file",
        remedy="Read the whole file in binary mode, or pass its path",
    )


def source_in_memory(model: ModelLike) -> dict[str, str] | None:
    """Return what a recipe says of a model that was given in memory; None of one in a file.

    A Keras model's hash is that of its configuration and weights: a file of it holds the time.
    """
    if isinstance(model, str | os.PathLike):
        return None
    if isinstance(model, bytes | bytearray | memoryview):
        return {"path": "bytes in memory", "sha256": sha256(bytes(model))}
    parts = [model.to_json().encode(), *(weight.numpy().tobytes() for weight in model.weights)]
    return {"path": "Keras model in memory", "sha256": sha256(b"".join(parts))}


def stacked(samples: SamplesLike) -> dict[str, np.ndarray]:
    """Return samples in memory as one array for each input; a single array is named ``""``."""
    import numpy as np

    try:
        if isinstance(samples, Mapping):
            return {str(name): np.asarray(values) for name, values in samples.items()}
        if hasattr(samples, "__array__"):
            return {"": np.asarray(samples)}
        rows = list(cast("Iterable[Any]", samples))
        if rows and isinstance(rows[0], Mapping):
            return {name: np.stack([np.asarray(row[name]) for row in rows]) for name in rows[0]}
        return {"": np.stack([np.asarray(row) for row in rows]) if rows else np.empty((0,))}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ParameterError(
            "The argument `samples` cannot be read as arrays",
            found=f"a value of the type {type(samples).__name__}: {error}",
            expected="an array with samples along the first axis, such an array for each input by "
            "its name, a list of samples of one shape, or the path of a .npz file",
            remedy="Stack the samples with numpy.stack",
        ) from error


class Reading(TypedDict, total=False):
    """Keyword arguments that say how a model is read.

    Attributes:
        signature: The signature of a SavedModel or ``.tflite``; None for the only one, or
            ``serving_default``.
        allow_lambda: True if a Keras file may hold or name code; False by default.
        allow_unsafe: True if a SavedModel may do more than compute; False by default.
        custom_objects: The path of a ``.py`` file, or the name of a module, with the user's own
            layers that a Keras file names; it is imported, and so runs. None by default.
        load_s: After how many seconds loading is ended; 300 by default.
        memory_gib: Beyond how much memory, in GiB, loading and running the model is ended; 16 by
            default, None for no limit.
    """

    signature: str | None
    allow_lambda: bool
    allow_unsafe: bool
    custom_objects: str | None
    load_s: int
    memory_gib: float | None


_LIMITS = ("load_s", "memory_gib")
# That a misspelt one may be meant to be.
_ARGUMENTS = [
    *Reading.__annotations__,
    *recipe.Conversion.model_fields,
    *recipe.Ranges.model_fields,
]


@contextmanager
def opened(model: ModelLike, reading: Reading) -> Iterator[tuple[recipe.Model, recipe.Limits]]:
    """Give a model as a file, with the parameters of how it is read.

    Raises:
        ParameterError: An argument is unknown or has a bad value.
    """
    blocks("", reading)  # before a model is written to a file
    with as_file(model) as path:
        yield blocks(str(path), reading)


def blocks(path: str, reading: Reading) -> tuple[recipe.Model, recipe.Limits]:
    """Return the parameters of how a model is read."""
    for name in reading:
        if name not in Reading.__annotations__:
            raise ParameterError(
                f"There is no argument `{name}`",
                found=f"`{name}`",
                expected="an argument that the function's documentation names",
                remedy=suggest(name, _ARGUMENTS) or "Leave it out",
            )
    values: dict[str, Any] = dict(reading)
    limits = {name: values.pop(name) for name in _LIMITS if name in values}
    return (
        check_arguments(recipe.Model, {"path": path, **values}),
        check_arguments(recipe.Limits, limits),
    )


def check_choice(name: str, value: str | None, choices: tuple[str, ...]) -> None:
    """Refuse an argument's value that is none of its choices; None leaves the choice open."""
    if value is not None and value not in choices:
        raise ParameterError(
            f"The argument `{name}` has a bad value",
            found=repr(value),
            expected=f"one of {', '.join(choices)}",
            remedy=f"Correct `{name}`",
        )
