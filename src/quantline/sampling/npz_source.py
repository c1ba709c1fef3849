"""Numpy archives: arrays ``x`` and ``y``, streamed row by row."""

from __future__ import annotations

from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

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

    from quantline import recipe
    from quantline.reading import Header

MOST_EXAMPLES = 10_000_000  # each is an entry in memory while a split is drawn


class NpzSource:
    """Examples in ``.npz`` archives below the data folder; a row number is an example's id."""

    version = None

    def __init__(self, dataset: recipe.Dataset) -> None:
        self._folder = Path(dataset.data_dir)
        x = dataset.npz.x
        self._is_single = isinstance(x, str)
        self._inputs = [x] if isinstance(x, str) else x
        self._y = dataset.npz.y
        self.name = "npz"

    def entries(self, split: str) -> Iterator[Entry]:
        """Yield each row's number, and its label if it is a class index.

        Raises:
            DataError: The archive is not there, or is none.
            DataError: It lacks the array of examples, or labels and examples differ in number.
        """
        path, rows, labels = self._open(split)
        classes = labels if isinstance(labels, np.ndarray) and labels.dtype.kind in "iu" else None
        for row in rows:
            yield Entry(_name(path, row), None if classes is None else int(classes[row]))

    def examples(self, split: str, ids: Set[str]) -> Iterator[Example]:
        """Yield the chosen rows, reading one at a time from the archive.

        Raises:
            DataError: The archive is damaged.
        """
        path, rows, labels = self._open(split)
        streams = [_stream_rows(path, name) for name in self._inputs]
        every_label = labels if labels is not None else repeat(None, rows.stop)
        pairs = zip(zip(*streams, strict=True), every_label, strict=False)
        for row, (values, stored) in enumerate(pairs):
            name = _name(path, row)
            if row not in rows or name not in ids:
                continue
            content = b"".join(value.tobytes() for value in values)
            label = int(stored) if isinstance(stored, np.integer) else stored
            if label is not None and not isinstance(label, int):
                label = np.asarray(label)
                content += label.tobytes()
            value = values[0] if self._is_single else dict(zip(self._inputs, values, strict=True))
            yield Example(name, label, value, sha256(content))

    def _open(self, split: str) -> tuple[Path, range, np.ndarray | Iterator[np.ndarray] | None]:
        parsed = FileSplit.parse(split)
        path = self._folder / parsed.file
        count, labels = self._describe(path)
        return path, parsed.rows(count), labels

    def _describe(self, path: Path) -> tuple[int, np.ndarray | Iterator[np.ndarray] | None]:
        try:
            with Arrays(path) as arrays:
                names = [name for name in arrays.names if name != SINGLE]
                if SINGLE in arrays.names:
                    raise ArraysUnreadable("a .npy file, whose one array has no name")
                for name in self._inputs:
                    if name not in names:
                        raise DataError(
                            f"'{path}' has no array '{name}'",
                            found=f"the arrays {first_few(sorted(names)) or 'none'}",
                            expected=f"an array '{name}' of examples and, if labelled, '{self._y}'",
                            remedy="Set `npz_x` and `npz_y` to the names in the archive",
                        )
                counts = {name: _count(name, arrays.header(name)) for name in self._inputs}
                if len(set(counts.values())) > 1:
                    raise DataError(
                        f"The inputs in '{path}' have different numbers of examples",
                        found=", ".join(f"{many} in '{name}'" for name, many in counts.items()),
                        expected="as many examples for one input as for another",
                        remedy="Write the archive again",
                    )
                count = next(iter(counts.values()))
                labels = self._read_labels(path, arrays, count) if self._y in names else None
        except ArraysUnreadable as error:
            raise DataError(
                f"The archive '{path}' cannot be read",
                found=str(error),
                expected="a .npz file written by numpy.savez, without pickled objects, whose "
                f"{' and '.join(map(repr, self._inputs))} has rows of numbers",
                remedy="Check `data_dir` and the names of the splits",
            ) from error
        return count, labels

    def _read_labels(
        self, path: Path, arrays: Arrays, count: int
    ) -> np.ndarray | Iterator[np.ndarray]:
        """Return numbers, one an example, as an array; other labels, such as masks, as a stream."""
        header = arrays.header(self._y)
        if not header.shape or header.dtype.kind not in "biuf":
            raise DataError(
                f"The labels '{self._y}' in '{path}' are not numbers",
                found=f"an array of shape {header.shape} and dtype {header.dtype}",
                expected="numbers, with one label an example along the first axis",
                remedy="Store class indices, or the numbers that the task takes",
            )
        if header.shape[0] != count:
            raise DataError(
                f"'{path}' has not as many labels as examples",
                found=f"{count} examples and {header.shape[0]} labels",
                expected="one label an example",
                remedy="Write the archive again",
            )
        # A column of class indices is what many files hold.
        is_column = len(header.shape) == 2 and header.shape[1] == 1
        if is_column or len(header.shape) == 1:
            return arrays.read(self._y).reshape(count)
        return _stream_rows(path, self._y)


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
