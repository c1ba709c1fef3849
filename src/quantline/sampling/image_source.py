"""Image files: named by a CSV file with their labels, or all those of a folder."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from quantline.errors import (
    DataError,
    first_few,
)
from quantline.files import sha256
from quantline.reading import Unreadable, read_file, read_text
from quantline.sampling.image import MOST_PIXELS, ImageUnreadable, decode
from quantline.sampling.sources import Entry, Example, FileSplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Set

    import numpy as np

    from quantline import recipe

LARGEST_IMAGE_BYTES = 512 << 20
LARGEST_CSV_BYTES = 256 << 20
_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff"}


class ImageSource:
    """Image files below the data folder; an example's id is its file as the CSV file names it."""

    version = None

    def __init__(self, dataset: recipe.Dataset) -> None:
        self._folder = Path(dataset.data_dir)
        self._file, self._label = dataset.image_csv.file_column, dataset.image_csv.label_column
        self._mode: Literal["RGB", "L"] = "RGB" if dataset.image_csv.color == "rgb" else "L"
        self.name = "image_csv"

    def entries(self, split: str) -> Iterator[Entry]:
        """Yield each image's file name and label.

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
                if file.suffix.lower() in _SUFFIXES and file.is_file()
            ]
        else:
            found = self._read_csv(path)
        rows = parsed.rows(len(found))
        yield from found[rows.start : rows.stop]

    def examples(self, split: str, ids: Set[str]) -> Iterator[Example]:
        """Yield the chosen images, decoding one at a time.

        Raises:
            DataError: A file is missing or is not an image.
        """
        path = self._folder / FileSplit.parse(split).file
        base = path if os.path.isdir(path) else path.parent
        for entry in self.entries(split):
            if entry.id in ids:
                stored, value = self._decode(base / entry.id)
                yield Example(entry.id, entry.label, value, sha256(stored))

    def _decode(self, file: Path) -> tuple[bytes, np.ndarray]:
        try:
            stored = read_file(file, LARGEST_IMAGE_BYTES)
            value = decode(stored, self._mode)
        except (Unreadable, ImageUnreadable) as error:
            raise DataError(
                f"The image '{file}' cannot be read",
                found=str(error),
                expected=f"an image in 8 bits a channel, of at most {MOST_PIXELS:,} pixels, in a "
                "format such as JPEG or PNG",
                remedy="Restore the file or store it anew, or remove its line from the CSV file",
            ) from error
        return stored, value

    def _read_csv(self, path: Path) -> list[Entry]:
        try:
            text = read_text(path, LARGEST_CSV_BYTES, encoding="utf-8-sig")
            reader = csv.DictReader(io.StringIO(text, newline=""))
            columns = list(reader.fieldnames or ())
            rows = [(reader.line_num, row) for row in reader]
        except (Unreadable, csv.Error) as error:
            raise DataError(
                f"'{path}' cannot be read as a list of images",
                found=str(error),
                expected="a CSV file in UTF-8, or a folder of images",
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
