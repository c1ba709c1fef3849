"""Numpy archives: arrays ``x`` and ``y``, streamed row by row."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from quantline.errors import (
    DataError,
    first_few,
)
from quantline.files import sha256
from quantline.reading import Arrays, ArraysUnreadable
from quantline.reading.arrays import SINGLE, row_bytes
from quantline.sampling.sources import Entry, Example, FileSplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Set

    import numpy as np

    from quantline import recipe
    from quantline.reading import Header

MOST_EXAMPLES = 10_000_000  # each is an entry in memory while a split is drawn


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
            DataError: The archive is not there, or is none.
            DataError: It lacks the array of examples, or labels and examples differ in number.
        """
        path, rows, labels = self._open(split)
        for row in rows:
            yield Entry(_name(path, row), None if labels is None else int(labels[row]))

    def examples(self, split: str, ids: Set[str]) -> Iterator[Example]:
        """Yield the chosen rows, reading one at a time from the archive.

        Raises:
            DataError: The archive is damaged.
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
            with Arrays(path) as arrays:
                names = [name for name in arrays.names if name != SINGLE]
                if SINGLE in arrays.names:
                    raise ArraysUnreadable("a .npy file, whose one array has no name")
                if self._x not in names:
                    raise DataError(
                        f"'{path}' has no array '{self._x}'",
                        found=f"the arrays {first_few(sorted(names)) or 'none'}",
                        expected=f"an array '{self._x}' of examples and, if labelled, '{self._y}'",
                        remedy="Set `npz_x` and `npz_y` to the names in the archive",
                    )
                count = _count(self._x, arrays.header(self._x))
                labels = self._read_labels(path, arrays, count) if self._y in names else None
        except ArraysUnreadable as error:
            raise DataError(
                f"The archive '{path}' cannot be read",
                found=str(error),
                expected="a .npz file written by numpy.savez, without pickled objects, whose "
                f"'{self._x}' has rows of numbers",
                remedy="Check `data_dir` and the names of the splits",
            ) from error
        return count, labels

    def _read_labels(self, path: Path, arrays: Arrays, count: int) -> np.ndarray:
        header = arrays.header(self._y)
        is_column = len(header.shape) == 2 and header.shape[1] == 1
        if not (is_column or len(header.shape) == 1) or header.dtype.kind not in "iu":
            raise DataError(
                f"The labels '{self._y}' in '{path}' are not class indices",
                found=f"an array of shape {header.shape} and dtype {header.dtype}",
                expected="whole numbers, one an example",
                remedy="Store class indices; for one-hot labels, their argmax",
            )
        if header.shape[0] != count:
            raise DataError(
                f"'{path}' has not as many labels as examples",
                found=f"{count} examples and {header.shape[0]} labels",
                expected="one label an example",
                remedy="Write the archive again",
            )
        return arrays.read(self._y).reshape(count)


def _name(path: Path, row: int) -> str:
    return f"{path.name}[{row}]"


def _count(name: str, header: Header) -> int:
    """Return how many examples there are, of an array whose rows are examples."""
    count = header.shape[0] if header.shape else 0
    row_bytes(name, header)
    if header.dtype.kind not in "biuf":
        raise ArraysUnreadable(f"an array '{name}' of dtype {header.dtype}; numbers are needed")
    if count > MOST_EXAMPLES:
        raise ArraysUnreadable(f"an array '{name}' of {count:,} examples, of {MOST_EXAMPLES:,}")
    return count


def _stream_rows(path: Path, name: str) -> Iterator[np.ndarray]:
    # numpy loads an archive's array whole; reading the member by rows keeps memory constant.
    try:
        with Arrays(path) as arrays:
            yield from arrays.rows(name)
    except (ArraysUnreadable, KeyError) as error:
        raise DataError(
            f"The examples '{name}' in '{path}' cannot be read",
            found=str(error),
            expected="a whole archive",
            remedy="Write or copy the archive again; it is damaged",
        ) from error
