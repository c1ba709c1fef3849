"""The calibration set as it is stored: the named arrays of a numpy archive."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from quantline.results import Origin, check_finite, check_plain

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def check_calibration_set(
    arrays: Mapping[str, np.ndarray], origin: Origin | str | Path
) -> Mapping[str, np.ndarray]:
    """Check that arrays are a calibration set: ``x`` and ``ids``, one of each an example.

    Args:
        arrays: ``x``, array of shape (n_examples, ...), finite numbers; ``ids``, array of text of
            shape (n_examples,).
        origin: Where they come from, or the path of the stage's file.

    Returns:
        The arrays as they are.

    Raises:
        QuantlineError: They are something else; of a stage's file a ResultMissing.
    """
    if not isinstance(origin, Origin):
        remedy = "Run the pipeline with `from_nodes=draw_examples`, which draws the examples anew"
        origin = Origin.of_stage(origin, remedy)
    for name in ("x", "ids"):
        if name not in arrays:
            raise origin.unreadable(f"no array '{name}'", "the arrays 'x' and 'ids'")
    x, ids = arrays["x"], arrays["ids"]
    if ids.dtype.kind != "U" or ids.ndim != 1:
        found = f"'ids' of dtype {ids.dtype} and shape {ids.shape}"
        raise origin.unreadable(found, "text of shape (n_examples,)")
    if x.ndim < 1 or len(x) != len(ids) or not x.size:
        found = f"'x' of shape {x.shape} with {len(ids)} ids"
        raise origin.unreadable(found, "at least one example, and as many ids")
    check_finite(x, "x", origin)
    largest = max(float(x.max()), -float(x.min()))
    if largest > float(np.finfo(np.float32).max):
        raise origin.unreadable(f"'x' with values up to {largest:.3g}", "values of float32")
    try:
        names = ids.tolist()
    except ValueError as error:  # numbers that are no characters
        raise origin.damaged(error) from error
    check_plain(names, origin)
    return arrays
