"""Tables as a source: columns of CSV and Parquet files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from quantline.errors import DataError, first_few, first_line, suggest
from quantline.files import sha256
from quantline.reading import Unreadable, read_file
from quantline.sampling.sources import Entry, Example, FileSplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence, Set

    from quantline import recipe

LARGEST_BYTES = 2 << 30


class TableSource:
    """Rows of a table below the data folder; a row number is an example's id."""

    version = None

    def __init__(self, dataset: recipe.Dataset) -> None:
        """Take the columns.

        Raises:
            DataError: No column of inputs is named.
        """
        self._folder = Path(dataset.data_dir)
        named = dataset.table.x
        self._is_single = not isinstance(named, dict)
        self._inputs: Mapping[str, Sequence[str]] = (
            named if isinstance(named, dict) else {"x": named or []}
        )
        label = dataset.table.y
        self._labels = [label] if isinstance(label, str) else list(label or ())
        if not self._inputs or not all(self._inputs.values()):
            raise DataError(
                "The dataset names no columns of a table as inputs",
                found="`table_x` is empty",
                expected="a list of columns, or such a list for each input",
                remedy="Set `table_x`",
            )
        self.name = "table"

    def entries(self, split: str) -> Iterator[Entry]:
        """Yield each row's number, and its label if it is a class index.

        Raises:
            DataError: There is no such file, or it is no table with these columns.
        """
        file, rows, _, labels = self._read(split)
        for at in rows:
            label = self._label(labels, at)
            yield Entry(f"{file}[{at}]", label if isinstance(label, int) else None)

    def examples(self, split: str, ids: Set[str]) -> Iterator[Example]:
        """Yield the chosen rows.

        Raises:
            DataError: As :meth:`entries` lists them.
        """
        file, rows, inputs, labels = self._read(split)
        for at in rows:
            name = f"{file}[{at}]"
            if name not in ids:
                continue
            values = {key: array[at] for key, array in inputs.items()}
            label = self._label(labels, at)
            content = b"".join(value.tobytes() for value in values.values())
            if isinstance(label, np.ndarray):
                content += label.tobytes()
            value = values["x"] if self._is_single else values
            yield Example(name, label, value, sha256(content))

    def _read(self, split: str) -> tuple[str, range, dict[str, np.ndarray], np.ndarray | None]:
        parsed = FileSplit.parse(split)
        path = self._folder / parsed.file
        table = _open(path)
        inputs = {
            name: np.stack([_numbers(table, column, path) for column in columns], axis=1)
            for name, columns in self._inputs.items()
        }
        labels = None
        if self._labels:
            labels = np.stack([_numbers(table, name, path) for name in self._labels], axis=1)
        return path.name, parsed.rows(len(table)), inputs, labels

    def _label(self, labels: np.ndarray | None, at: int) -> int | np.ndarray | None:
        if labels is None:
            return None
        own = labels[at]
        return int(own[0]) if len(own) == 1 and own.dtype.kind in "iu" else own


def _open(path: Path) -> pa.Table:
    from pyarrow import csv, parquet

    try:
        content = read_file(path, LARGEST_BYTES)
        if path.suffix == ".parquet":
            return parquet.read_table(io.BytesIO(content))
        return csv.read_csv(io.BytesIO(content))
    except (Unreadable, pa.ArrowException, OSError) as error:
        raise DataError(
            f"The table '{path}' cannot be read",
            found=str(error) if isinstance(error, Unreadable) else first_line(error),
            expected="a CSV file in UTF-8 with a line of names, or a Parquet file",
            remedy="Check `data_dir` and the names of the splits",
        ) from error


def _numbers(table: pa.Table, name: str, path: Path) -> np.ndarray:
    """Return a column of numbers: float32, or whole numbers as they are."""
    if name not in table.column_names:
        raise DataError(
            f"'{path}' has no column '{name}'",
            found=f"the columns {first_few(table.column_names, 20) or 'none'}",
            expected=f"a column '{name}'",
            remedy=suggest(name, table.column_names) or "Correct `table_x` or `table_y`",
        )
    column = table[name]
    if column.null_count:
        row = column.is_null().to_pylist().index(True)
        raise DataError(
            f"The column '{name}' of '{path}' has rows without a value",
            found=f"{column.null_count} rows, such as row {row}",
            expected="a number in each row",
            remedy="Complete or remove these rows",
        )
    is_number = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
    if not (is_number or pa.types.is_boolean(column.type)):
        raise DataError(
            f"The column '{name}' of '{path}' is not of numbers",
            found=f"values of type {column.type}, such as {column[0].as_py()!r}"
            if len(column)
            else f"the type {column.type}",
            expected="whole or real numbers, or true and false",
            remedy="Encode it as numbers, as the model was trained on",
        )
    if pa.types.is_floating(column.type):
        return np.asarray(column.to_numpy(), np.float32)
    return np.asarray(column.to_numpy(), int)
