"""Files as a source: named by a CSV file with their labels, or all those of a folder."""

from __future__ import annotations

import csv
import io
import os
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

from quantline.errors import DataError, first_few
from quantline.files import sha256
from quantline.reading import Unreadable, read_text
from quantline.sampling.sources import Entry, Example, FileSplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Set

    import numpy as np

LARGEST_CSV_BYTES = 256 << 20


class FileSource(ABC):
    """Files below the data folder; an example's id is its file as the CSV file names it.

    Attributes:
        name: The kind of source.
        suffixes: The endings of the files that are taken of a folder.
        noun: What such a file is, for messages.
    """

    name: str
    suffixes: frozenset[str]
    noun: str

    version = None

    def __init__(self, data_dir: str, file_column: str, label_column: str) -> None:
        self._folder = Path(data_dir)
        self._file, self._label = file_column, label_column

    @abstractmethod
    def decode(self, file: Path) -> tuple[bytes, np.ndarray]:
        """Return a file's bytes, and what they stand for.

        Raises:
            DataError: The file is missing, or is none of this kind.
        """

    def entries(self, split: str) -> Iterator[Entry]:
        """Yield each file's name and label.

        Raises:
            DataError: There is no such CSV file or folder.
            DataError: The CSV file lacks the column of files, or a line names none.
            DataError: A label is not a whole number.
        """
        parsed = FileSplit.parse(split)
        path = self._folder / parsed.file
        if os.path.isdir(path):
            found = [
                Entry(file.relative_to(path).as_posix(), None)
                for file in sorted(path.rglob("*"))
                if file.suffix.lower() in self.suffixes and file.is_file()
            ]
        else:
            found = self._read_csv(path)
        rows = parsed.rows(len(found))
        yield from found[rows.start : rows.stop]

    def examples(self, split: str, ids: Set[str]) -> Iterator[Example]:
        """Yield the chosen files, decoding one at a time.

        Raises:
            DataError: A file is missing or is none of this kind.
        """
        path = self._folder / FileSplit.parse(split).file
        base = path if os.path.isdir(path) else path.parent
        for entry in self.entries(split):
            if entry.id in ids:
                stored, value = self.decode(base / entry.id)
                yield Example(entry.id, entry.label, value, sha256(stored))

    def _read_csv(self, path: Path) -> list[Entry]:
        try:
            text = read_text(path, LARGEST_CSV_BYTES, encoding="utf-8-sig")
            reader = csv.DictReader(io.StringIO(text, newline=""))
            columns = list(reader.fieldnames or ())
            rows = [(reader.line_num, row) for row in reader]
        except (Unreadable, csv.Error) as error:
            raise DataError(
                f"'{path}' cannot be read as a list of {self.noun}s",
                found=str(error),
                expected=f"a CSV file in UTF-8, or a folder of {self.noun}s",
                remedy="Check `data_dir` and the names of the splits",
            ) from error
        if self._file not in columns:
            raise DataError(
                f"'{path}' has no column '{self._file}'",
                found=f"the columns {first_few(columns) or 'none'}",
                expected=f"a column '{self._file}' and, if labelled, '{self._label}'",
                remedy="Set `file_column` and `label_column` to its columns",
            )
        nameless = [line for line, row in rows if not row[self._file]]
        if nameless:
            raise DataError(
                f"Line {nameless[0]} of '{path}' names no file",
                found=f"{len(nameless)} lines without a value in the column '{self._file}'",
                expected="one file a line",
                remedy="Complete or remove these lines",
            )
        return [
            Entry(row[self._file], self._parse_label(row.get(self._label), path, line))
            for line, row in rows
        ]

    def _parse_label(self, text: str | None, path: Path, line: int) -> int | None:
        if text is None:
            return None
        try:
            return int(text)
        except ValueError as error:
            raise DataError(
                f"Line {line} of '{path}' has a label that is not a class index",
                found=f"'{text if len(text) <= 60 else text[:60] + ' ...'}'",
                expected="a whole number from 0",
                remedy=f"Correct the column '{self._label}'",
            ) from error
