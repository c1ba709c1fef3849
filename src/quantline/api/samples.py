"""Samples of a model's inputs: one array for each, or a single one, from a file or memory."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from quantline.api.files import list_files
from quantline.api.given import stacked
from quantline.errors import DataError
from quantline.quantization.interface import check_counts
from quantline.reading import Arrays, ArraysUnreadable
from quantline.reading.arrays import SINGLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from quantline.api.given import SamplesLike

_CONVENTIONAL = "x"
_MAPPING = "Pass a mapping from each input's name to its array, samples along the first axis"
_WRITE = "Write it with numpy.savez('samples.npz', NAME=array), NAME being the model's input"


@dataclass(frozen=True)
class NamedArrays:
    """Arrays of a file, which are read when asked for, or in memory.

    Attributes:
        name: Their name in messages, such as ``'samples.npz'`` in quotes.
        shapes: Each array's shape, by name; a single array without one is called :data:`SINGLE`.
        read: Reads one array.
        remedy: The way to write them, as a sentence.
    """

    name: str
    shapes: Mapping[str, tuple[int, ...]]
    read: Callable[[str], np.ndarray]
    remedy: str = _WRITE


@dataclass(frozen=True)
class Samples:
    """Samples of a model's inputs.

    Attributes:
        arrays: array of shape (n_samples, ...) for each input, by name; the only one's name may
            be :data:`SINGLE`.
        ignored: The names of the file's other arrays.
        fitted: The array by the input that it was taken for because of its shape alone.
    """

    arrays: dict[str, np.ndarray]
    ignored: tuple[str, ...] = ()
    fitted: dict[str, str] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """The number of samples."""
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
        return replace(self, arrays={inputs[0]: next(iter(self.arrays.values()))})


def open_samples(samples: SamplesLike) -> NamedArrays:
    """Look at samples without reading the arrays of a file."""
    if isinstance(samples, str | os.PathLike):
        return open_archive(os.fspath(samples))
    arrays = stacked(samples)
    shapes = {name: values.shape for name, values in arrays.items()}
    return NamedArrays("`samples`", shapes, arrays.__getitem__, _MAPPING)


def open_archive(path: str) -> NamedArrays:
    """Look into a file without reading its arrays."""
    file = Path(path)
    if not os.path.exists(file):
        raise DataError(
            f"There is no calibration data at '{path}'",
            found=list_files(file.parent, ".npz", ".npy"),
            expected="a .npz file of numpy",
            remedy=_WRITE,
        )
    with _explained(file), Arrays(file) as arrays:
        shapes = {name: arrays.header(name).shape for name in arrays.names}
    if not shapes:
        raise DataError(
            f"'{path}' holds no array",
            found="a zip file without .npy members",
            expected="a .npz file with one array for each model input",
            remedy=_WRITE,
        )

    def read(name: str) -> np.ndarray:
        with _explained(file), Arrays(file) as arrays:
            return arrays.read(name)

    return NamedArrays(f"'{path}'", shapes, read)


def choose(
    archive: NamedArrays,
    inputs: Mapping[str, tuple[int, ...]] | None,
    states: Mapping[str, tuple[int, ...]] | None = None,
) -> Samples:
    """Read the arrays that are the model's inputs.

    An array belongs to the input of its name. For a model of one input the file's only array
    does, whatever its name, or else the array ``x``, as the sampling stage writes it. Arrays of
    other names belong to the model's states where there are as many, and one shape fits each.

    Args:
        archive: The arrays.
        inputs: Each input's shape without the batch, by name; None where they are not known and
            the file has one array.
        states: The whole shape of each input that stands for a variable, by name; the file need
            not have samples of these.
    """
    chosen: dict[str, str] = {}
    whole, states = archive, states or {}
    fitted = _fitted(archive, inputs or {}, states)
    of_states = {name: fitted.get(name, name) for name in states}
    if states and set(of_states.values()) <= archive.shapes.keys():
        archive = replace(
            archive,
            shapes={name: shape for name, shape in archive.shapes.items()
                    if name not in of_states.values()},
        )  # fmt: skip
    else:
        of_states = {}
    if inputs is None or (len(inputs) == 1 and len(archive.shapes) == 1):
        # A single array gets the input's name later.
        names = (inputs or {}) if of_states else archive.shapes
        chosen = dict(zip(names, archive.shapes, strict=True))
    elif inputs.keys() <= archive.shapes.keys():
        chosen = {name: name for name in inputs}
    elif len(inputs) == 1 and _CONVENTIONAL in archive.shapes:
        chosen = dict.fromkeys(inputs, _CONVENTIONAL)
    else:
        raise DataError(
            f"The arrays in {archive.name} are not named as the model's inputs",
            found=_listed(archive.shapes),
            expected=f"an array for each input, samples first: {_listed(inputs)}"
            + (f"; and, if there are any, of the state: {_listed(states)}" if states else ""),
            remedy=archive.remedy,
        )
    archive, chosen = whole, {**chosen, **of_states}
    arrays = {name: archive.read(stored) for name, stored in chosen.items()}
    for name, values in arrays.items():
        shape = None if inputs is None else inputs.get(name)
        if values.ndim == 0 or (shape is not None and values.shape == shape and values.ndim > 0
                                and values.ndim == len(shape)):  # fmt: skip
            raise DataError(
                f"The array '{name or 'samples'}' in {archive.name} has no axis of samples",
                found=f"the shape {values.shape}",
                expected="samples along the first axis, then the shape of the model's input",
                remedy="For a single sample store array[numpy.newaxis]; about 100 are better",
            )
        if len(values) and not values.size:
            raise DataError(
                f"The array '{name or 'samples'}' in {archive.name} holds no values",
                found=f"the shape {values.shape}",
                expected="samples of at least one value",
                remedy=archive.remedy,
            )
    check_counts(arrays, f"The arrays in {archive.name} have different lengths")
    ignored = tuple(name for name in archive.shapes if name not in chosen.values())
    return Samples(arrays, ignored, fitted if of_states else {})


def _fitted(
    archive: NamedArrays, inputs: Mapping[str, object], states: Mapping[str, tuple[int, ...]]
) -> dict[str, str]:
    """Return the array that fits each state, where only one way of giving them out does.

    Arrays that are named as an input or a state are left aside; of a model of one input, an array
    of any name may be that input's.
    """
    left = [name for name in archive.shapes if name not in inputs and name not in states]
    spare = len(inputs) == 1 and not inputs.keys() & archive.shapes.keys()
    if states.keys() & archive.shapes.keys() or len(left) != len(states) + spare:
        return {}
    fitting = {
        state: [name for name in left if archive.shapes[name][1:] in (shape, shape[1:])]
        for state, shape in states.items()
    }
    if any(len(names) != 1 for names in fitting.values()):
        return {}
    found = {state: names[0] for state, names in fitting.items()}
    return found if len(set(found.values())) == len(states) else {}


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except (ArraysUnreadable, KeyError) as error:
        raise DataError(
            f"The calibration data '{path}' cannot be read",
            found=str(error),
            expected="a whole .npz file of arrays of numbers, without pickled objects",
            remedy=_WRITE,
        ) from error


def _listed(shapes: Mapping[str, tuple[int, ...]]) -> str:
    return ", ".join(f"'{name}' {shape}" for name, shape in shapes.items())
