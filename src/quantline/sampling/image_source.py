"""Image files as a source: named by a CSV file with their labels, or all those of a folder."""

from __future__ import annotations

import csv
import io
import os
import warnings
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from quantline.errors import (
    DataError,
    first_few,
)
from quantline.files import sha256
from quantline.quiet import silenced_stderr
from quantline.reading import Unreadable, read_file, read_text
from quantline.sampling.sources import Entry, Example, FileSplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Set

    from quantline import recipe

LARGEST_IMAGE_BYTES = 512 << 20
LARGEST_CSV_BYTES = 256 << 20
_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff"}
MOST_PIXELS = 178_956_970  # where Pillow itself refuses; half as many it warns of
# Pillow hands others, such as EPS, to programs of other vendors.
_FORMATS = (
    "JPEG", "MPO", "PNG", "BMP", "DIB", "GIF", "WEBP", "TIFF", "PPM", "JPEG2000", "TGA", "AVIF",
    "ICO", "PCX", "QOI", "SGI",
)  # fmt: skip
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# Their values do not fit 8 bits, and Pillow would cut them off at 255.
_WIDE = {"I": "32-bit", "F": "floating point"}


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


class ImageUnreadable(ValueError):
    """Bytes are not an image that can be decoded; the message says what was found."""


def decode(stored: bytes, mode: Literal["RGB", "L"]) -> np.ndarray:
    """Decode an image; of an animation, its first frame.

    Pillow scales colours of 16 bits to 8 by their depth; of grey values it would cut off what is
    above 255, so those are refused.

    Args:
        stored: The file's bytes.
        mode: ``RGB``, or ``L`` for grey.

    Returns:
        array of shape (height, width, 3) or (height, width, 1), uint8.

    Raises:
        ImageUnreadable: It is no image, damaged, too large, or grey with more than 8 bits.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings(), _quiet(stored):
            warnings.simplefilter("ignore")  # of what is looked at below, or of odd metadata
            with Image.open(io.BytesIO(stored), formats=_known()) as image:
                # A 16-bit PGM is opened as if it had 32.
                _check("I;16" if image.format == "PPM" and image.mode == "I" else image.mode,
                       *image.size)  # fmt: skip
                value = np.asarray(image.convert(mode))
    except ImageUnreadable:
        raise
    except UnidentifiedImageError as error:
        found = f"{len(stored):,} bytes of another kind" if stored else "an empty file"
        raise ImageUnreadable(found) from error
    except Exception as error:  # each format's reader fails in its own ways on damage
        said = " ".join(str(error).split())[:200]
        raise ImageUnreadable(said or type(error).__name__) from error
    return value if value.ndim == 3 else value[..., np.newaxis]


def _quiet(stored: bytes) -> AbstractContextManager[None]:
    """Return a context that silences libtiff, which writes to stderr itself."""
    return silenced_stderr() if stored.startswith(_TIFF) else nullcontext()


def _known() -> list[str]:
    from PIL import Image

    Image.init()
    return [name for name in _FORMATS if name in Image.OPEN]


def _check(mode: str, width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise ImageUnreadable(f"{width:,} x {height:,} pixels")
    depth = "16-bit" if mode.startswith("I;") else _WIDE.get(mode)
    if depth is not None:
        raise ImageUnreadable(
            f"{depth} values, which 8 bits do not hold; a .npz archive keeps them"
        )
