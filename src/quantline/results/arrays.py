"""Bytes as the named arrays of a numpy archive, for whatever is in them."""

from __future__ import annotations

import io
import warnings
import zipfile
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from quantline.results.origin import Origin

_UNPACKED_BYTES = 1 << 30  # however small the archive is, what is in it may have as many
_MOST_RATIO = 64  # and beyond that so many times as many as the archive; ours are not compressed


def read_arrays(content: bytes, origin: Origin) -> dict[str, np.ndarray]:
    """Read every array of an ``.npz`` archive; nothing in it is ever unpickled.

    Raises:
        QuantlineError: It is no such archive, or a small one of very much content.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            unpacked = sum(each.file_size for each in archive.infolist())
        if unpacked > max(_UNPACKED_BYTES, _MOST_RATIO * len(content)):
            raise ValueError(f"{unpacked:,} bytes in an archive of {len(content):,}")
        with warnings.catch_warnings(), np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            warnings.simplefilter("ignore")  # of headers that older versions wrote
            found = dict(arrays)
    except Exception as error:  # zipfile, zlib and numpy each have their own for a damaged file
        raise origin.damaged(error) from error
    for name, value in found.items():
        if not isinstance(value, np.ndarray):
            raise origin.unreadable(f"'{name}', which is no array")
    return found


def check_finite(values: np.ndarray, name: str, origin: Origin) -> None:
    """Refuse an array that does not hold finite numbers only.

    Raises:
        QuantlineError: It does not.
    """
    if values.dtype.kind not in "biuf":
        raise origin.unreadable(f"the array '{name}' of dtype {values.dtype}", "numbers")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise origin.unreadable(f"the array '{name}' with NaN or infinite values", "finite numbers")
