"""Image files as a source: named by a CSV file with their labels, or all those of a folder."""

from __future__ import annotations

import io
import warnings
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Literal

import numpy as np

from quantline.errors import (
    DataError,
)
from quantline.quiet import silenced_stderr
from quantline.reading import Unreadable, read_file
from quantline.sampling.file_source import FileSource

if TYPE_CHECKING:
    from pathlib import Path

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


class ImageSource(FileSource):
    """Image files below the data folder."""

    version = None
    name = "image_csv"
    suffixes = frozenset(_SUFFIXES)
    noun = "image"

    def __init__(self, dataset: recipe.Dataset) -> None:
        own = dataset.image_csv
        super().__init__(dataset.data_dir, own.file_column, own.label_column)
        self._mode: Literal["RGB", "L"] = "RGB" if own.color == "rgb" else "L"

    def decode(self, file: Path) -> tuple[bytes, np.ndarray]:
        """Return a file's bytes and its image, array of shape (height, width, channels), uint8."""
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
