"""Calibration data: a ``.npz`` file with one array for each model input, or a single array."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from quantline.errors import DatasetNotFound, InputMismatch, first_few
from quantline.reading import Arrays, ArraysUnreadable
from quantline.reading.arrays import SINGLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_CONVENTIONAL = "x"
_WRITE = "Write it with numpy.savez('samples.npz', NAME=array), NAME being the model's input"


@dataclass(frozen=True)
class Archive:
    """A file of arrays, which are read when asked for.

    Attributes:
        path: The file.
        shapes: Each array's shape, by name; a ``.npy`` file's array is called :data:`SINGLE`.
    """

    path: Path
    shapes: Mapping[str, tuple[int, ...]]

    def read(self, name: str) -> np.ndarray:
        """Read one array.

        Raises:
            DatasetNotFound: The file is damaged, or the array holds objects.
        """
        with _explained(self.path), Arrays(self.path) as arrays:
            return arrays.read(name)


@dataclass(frozen=True)
class Samples:
    """Samples of a model's inputs.

    Attributes:
        arrays: array of shape (n_samples, ...) for each input, by name; the only one's name may
            be :data:`SINGLE`.
        ignored: The names of the file's other arrays.
    """

    arrays: dict[str, np.ndarray]
    ignored: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """How many samples there are."""
        return len(next(iter(self.arrays.values())))

    @property
    def sha256(self) -> str:
        """The hash of the samples' content, whatever the file and its compression."""
        total = sha256()
        for name, values in sorted(self.arrays.items()):
            total.update(f"{name if len(self.arrays) > 1 else SINGLE}\0".encode())
            total.update(f"{values.dtype.str}\0{values.shape}\0".encode())
            total.update(np.ascontiguousarray(values).data)
        return total.hexdigest()

    def each(self) -> Iterator[Mapping[str, np.ndarray]]:
        """Yield one sample after another, as the recorder takes them."""
        for index in range(self.count):
            yield {name: values[index] for name, values in self.arrays.items()}

    def named(self, inputs: Sequence[str]) -> Samples:
        """Return the samples with the model's own name for a single input."""
        if len(inputs) != 1 or len(self.arrays) != 1:
            return self
        return Samples({inputs[0]: next(iter(self.arrays.values()))}, self.ignored)


def open_archive(path: str) -> Archive:
    """Look into a file without reading its arrays.

    Raises:
        DatasetNotFound: There is no such file, or it is no whole ``.npz`` or ``.npy`` file.
    """
    file = Path(path)
    if not os.path.exists(file):
        raise DatasetNotFound(
            f"There is no calibration data at '{path}'",
            found=_nearby(file),
            expected="a .npz file of numpy",
            remedy=_WRITE,
        )
    with _explained(file), Arrays(file) as arrays:
        shapes = {name: arrays.header(name).shape for name in arrays.names}
    if not shapes:
        raise DatasetNotFound(
            f"'{path}' holds no array",
            found="a zip file without .npy members",
            expected="a .npz file with one array for each model input",
            remedy=_WRITE,
        )
    return Archive(file, shapes)


def choose(archive: Archive, inputs: Mapping[str, tuple[int, ...]] | None) -> Samples:
    """Read the arrays that are the model's inputs.

    An array belongs to the input of its name. For a model of one input the file's only array
    does, whatever its name, or else the array ``x``, as the sampling stage writes it.

    Args:
        archive: The file.
        inputs: Each input's shape without the batch, by name; None where they are not known and
            the file has one array.

    Raises:
        InputMismatch: No array is named as an input, or they differ in length.
        DatasetNotFound: The file is damaged, or an array holds objects.
    """
    chosen: dict[str, str] = {}
    if inputs is None or (len(inputs) == 1 and len(archive.shapes) == 1):
        chosen = {name: name for name in archive.shapes}
    elif inputs.keys() <= archive.shapes.keys():
        chosen = {name: name for name in inputs}
    elif len(inputs) == 1 and _CONVENTIONAL in archive.shapes:
        chosen = dict.fromkeys(inputs, _CONVENTIONAL)
    else:
        raise InputMismatch(
            f"The arrays in '{archive.path}' are not named as the model's inputs",
            found=_listed(archive.shapes),
            expected=f"an array for each input, samples first: {_listed(inputs)}",
            remedy=_WRITE,
        )
    arrays = {name: archive.read(stored) for name, stored in chosen.items()}
    for name, values in arrays.items():
        shape = None if inputs is None else inputs.get(name)
        if values.ndim == 0 or (shape is not None and values.shape == shape and values.ndim > 0
                                and values.ndim == len(shape)):  # fmt: skip
            raise InputMismatch(
                f"The array '{name or 'samples'}' in '{archive.path}' has no axis of samples",
                found=f"the shape {values.shape}",
                expected="samples along the first axis, then the shape of the model's input",
                remedy="For a single sample store array[numpy.newaxis]; about 100 are better",
            )
        if len(values) and not values.size:
            raise InputMismatch(
                f"The array '{name or 'samples'}' in '{archive.path}' holds no values",
                found=f"the shape {values.shape}",
                expected="samples of at least one value",
                remedy=_WRITE,
            )
    counts = {name: len(values) for name, values in arrays.items()}
    if len(set(counts.values())) > 1:
        raise InputMismatch(
            f"The arrays in '{archive.path}' have different lengths",
            found=", ".join(f"{count} samples in '{name}'" for name, count in counts.items()),
            expected="as many samples for one input as for another",
            remedy="Give each sample once for every input",
        )
    ignored = tuple(name for name in archive.shapes if name not in chosen.values())
    return Samples(arrays, ignored)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except (ArraysUnreadable, KeyError) as error:
        raise DatasetNotFound(
            f"The calibration data '{path}' cannot be read",
            found=str(error),
            expected="a whole .npz file of arrays of numbers, without pickled objects",
            remedy=_WRITE,
        ) from error


def _nearby(file: Path) -> str:
    try:
        near = sorted(each.name for each in file.parent.glob("*.np[yz]"))
    except OSError as error:
        return f"{error.strerror or error}"
    return f"in '{file.parent}': {first_few(near) or 'no .npz file'}"


def _listed(shapes: Mapping[str, tuple[int, ...]]) -> str:
    return ", ".join(f"'{name}' {shape}" for name, shape in shapes.items())
