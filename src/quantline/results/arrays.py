"""Reading bytes as the named arrays of a numpy archive."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from quantline.reading import Arrays, ArraysUnreadable

if TYPE_CHECKING:
    from quantline.results.origin import Origin


def read_arrays(content: bytes, origin: Origin) -> dict[str, np.ndarray]:
    """Read every array of an ``.npz`` archive; nothing in it is ever unpickled.

    Raises:
        QuantlineError: It is no such archive, or claims more than it holds.
    """
    try:
        with Arrays(content) as archive:
            return {name: archive.read(name) for name in archive.names}
    except ArraysUnreadable as error:
        raise origin.unreadable(f"a damaged file: {error}") from error


def check_finite(values: np.ndarray, name: str, origin: Origin) -> None:
    """Refuse an array that does not hold finite numbers only.

    Raises:
        QuantlineError: It does not.
    """
    if values.dtype.kind not in "biuf":
        raise origin.unreadable(f"the array '{name}' of dtype {values.dtype}", "numbers")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise origin.unreadable(f"the array '{name}' with NaN or infinite values", "finite numbers")
