"""Calibration data: a ``.npz`` file with one array for each model input, or a single array."""

from __future__ import annotations

import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from quantline.errors import DatasetNotFound, InputMismatch, first_few

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SINGLE = ""
_CONVENTIONAL = "x"
_NPY = b"\x93NUMPY"
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
        with _explained(self.path):
            # Never unpickled: a file from elsewhere could run any code.
            loaded = np.load(self.path, allow_pickle=False)
            if name == SINGLE:
                return np.asarray(loaded)
            with loaded:
                return np.asarray(loaded[name])


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
    if not file.is_file() or not file.stat().st_size:
        near = sorted(each.name for each in file.parent.glob("*.np[yz]"))
        raise DatasetNotFound(
            f"There is no calibration data at '{path}'",
            found="an empty file" if file.is_file() else "a folder" if file.is_dir()
            else f"in '{file.parent}': {first_few(near) or 'no .npz file'}",
            expected="a .npz file of numpy",
            remedy=_WRITE,
        )  # fmt: skip
    with _explained(file):
        if not zipfile.is_zipfile(file):
            with file.open("rb") as stream:
                start = stream.read(8)
            if start.startswith(b"PK"):
                raise ValueError("a .npz file that was cut off")
            if not start.startswith(_NPY):
                raise ValueError(f"neither a .npz nor a .npy file; it begins with {start!r}")
            return Archive(file, {SINGLE: np.load(file, mmap_mode="r", allow_pickle=False).shape})
        with zipfile.ZipFile(file) as archive:
            members = [each for each in archive.namelist() if each.endswith(".npy")]
            shapes = {each.removesuffix(".npy"): _shape(archive, each) for each in members}
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
    except (OSError, zipfile.BadZipFile, zlib.error, ValueError, EOFError, KeyError,
            NotImplementedError, RuntimeError, SyntaxError) as error:  # fmt: skip
        said = " ".join(str(error).split())
        if "allow_pickle" in said:
            said = "an array of pickled Python objects"
        raise DatasetNotFound(
            f"The calibration data '{path}' cannot be read",
            found=said[:200] or type(error).__name__,
            expected="a whole .npz file of arrays of numbers, without pickled objects",
            remedy=_WRITE,
        ) from error


def _shape(archive: zipfile.ZipFile, member: str) -> tuple[int, ...]:
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        read = (np.lib.format.read_array_header_1_0 if version == (1, 0)
                else np.lib.format.read_array_header_2_0)  # fmt: skip
        shape: tuple[int, ...] = read(stream)[0]
        return shape


def _listed(shapes: Mapping[str, tuple[int, ...]]) -> str:
    return ", ".join(f"'{name}' {shape}" for name, shape in shapes.items())
