"""Numpy archives: arrays ``x`` and ``y``, streamed row by row."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from quantline.errors import DatasetNotFound, ExampleUnreadable, LabelMismatch, SplitUnusable
from quantline.files import sha256
from quantline.sampling.sources import Entry, Example, FileSplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Set

    from quantline import recipe


class NpzSource:
    """Examples in ``.npz`` archives below the data folder; a row number is an example's id."""

    version = None

    def __init__(self, dataset: recipe.Dataset) -> None:
        self._folder = Path(dataset.data_dir)
        self._x, self._y = dataset.npz.x, dataset.npz.y
        self.name = "npz"

    def entries(self, split: str) -> Iterator[Entry]:
        """Yield each row's number and label.

        Raises:
            DatasetNotFound: The archive is not there, or is none.
            SplitUnusable: It lacks the array of examples, or labels and examples differ in number.
        """
        path, rows, labels = self._open(split)
        for row in rows:
            yield Entry(_name(path, row), None if labels is None else int(labels[row]))

    def examples(self, split: str, ids: Set[str]) -> Iterator[Example]:
        """Yield the chosen rows, reading one at a time from the archive.

        Raises:
            ExampleUnreadable: The archive is damaged.
        """
        path, rows, labels = self._open(split)
        for row, value in enumerate(_stream_rows(path, self._x)):
            name = _name(path, row)
            if row in rows and name in ids:
                label = None if labels is None else int(labels[row])
                yield Example(name, label, value, sha256(value.tobytes()))

    def _open(self, split: str) -> tuple[Path, range, np.ndarray | None]:
        parsed = FileSplit.parse(split)
        path = self._folder / parsed.file
        count, labels = self._describe(path)
        return path, parsed.rows(count), labels

    def _describe(self, path: Path) -> tuple[int, np.ndarray | None]:
        try:
            with zipfile.ZipFile(path) as archive:
                members = archive.namelist()
            names = {name.removesuffix(".npy") for name in members if name.endswith(".npy")}
            if self._x not in names:
                raise SplitUnusable(
                    f"'{path}' has no array '{self._x}'",
                    found=f"the arrays {', '.join(sorted(names)) or 'none'}",
                    expected=f"an array '{self._x}' of examples and, if labelled, '{self._y}'",
                    remedy="Set 'dataset.npz.x' and 'dataset.npz.y' to the names in the archive",
                )
            count = _header(path, self._x)[0][0]
            labels = None
            if self._y in names:
                with np.load(path, allow_pickle=False) as arrays:
                    labels = np.asarray(arrays[self._y])
        except (
            OSError, zipfile.BadZipFile, zlib.error, ValueError, IndexError, EOFError
        ) as error:  # fmt: skip
            raise DatasetNotFound(
                f"The archive '{path}' cannot be read",
                found=f"{type(error).__name__}: {error}",
                expected="a .npz file written by numpy.savez, without pickled objects",
                remedy="Check 'dataset.data_dir' and the split names in 'sampling'",
            ) from error
        if labels is not None and labels.ndim == 2 and labels.shape[1] == 1:
            labels = labels[:, 0]
        if labels is not None and (labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer)):
            raise LabelMismatch(
                f"The labels '{self._y}' in '{path}' are not class indices",
                found=f"an array of shape {labels.shape} and dtype {labels.dtype}",
                expected="whole numbers, one an example",
                remedy="Store class indices; for one-hot labels, their argmax",
            )
        if labels is not None and len(labels) != count:
            raise SplitUnusable(
                f"'{path}' has not as many labels as examples",
                found=f"{count} examples and {len(labels)} labels",
                expected="one label an example",
                remedy="Write the archive again",
            )
        return count, labels


def _name(path: Path, row: int) -> str:
    return f"{path.name}[{row}]"


def _header(path: Path, array: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    with zipfile.ZipFile(path) as archive, archive.open(f"{array}.npy") as stream:
        return _read_header(stream, path)


def _read_header(stream: IO[bytes], path: Path) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    reader = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    shape, is_fortran, dtype = reader(stream)
    if dtype.hasobject or len(shape) < 2 or (is_fortran and len(shape) > 1):
        raise ValueError(
            f"the array of examples in '{path}' has shape {shape}, dtype {dtype}"
            f"{', in Fortran order' if is_fortran else ''}; rows of numbers in C order are needed"
        )
    return shape, dtype


def _stream_rows(path: Path, array: str) -> Iterator[np.ndarray]:
    # numpy loads an archive's array whole; reading the member by rows keeps memory constant.
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{array}.npy") as stream:
            shape, dtype = _read_header(stream, path)
            size = int(np.prod(shape[1:], dtype=np.int64)) * dtype.itemsize
            for _ in range(shape[0]):
                yield np.frombuffer(stream.read(size), dtype).reshape(shape[1:])
    except (OSError, zipfile.BadZipFile, zlib.error, ValueError, EOFError) as error:
        raise ExampleUnreadable(
            f"The examples '{array}' in '{path}' cannot be read",
            found=f"{type(error).__name__}: {error}",
            expected="a whole archive",
            remedy="Write or copy the archive again; it is damaged",
        ) from error
