"""The examples that a model is calibrated with, and the arrays that they are stored as."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.results import Origin, check_finite, check_plain

if TYPE_CHECKING:
    from pathlib import Path

_ONE, _IDS = "x", "ids"
_SEVERAL = "x."  # before the name of each input of several


@dataclass(frozen=True)
class CalibrationSet:
    """The examples that a model is calibrated with, as model input.

    Attributes:
        x: array of shape (n_examples, ...), the dtype that the transform gives; for a model of
            several inputs such an array for each, by name.
        ids: The examples' ids, in the same order.
    """

    x: Any
    ids: tuple[str, ...]

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray]) -> CalibrationSet:
        """Take the arrays of a file that :func:`check_calibration_set` has checked."""
        several = {
            name.removeprefix(_SEVERAL): values
            for name, values in arrays.items()
            if name.startswith(_SEVERAL)
        }
        return cls(several or arrays[_ONE], tuple(map(str, arrays[_IDS])))

    @classmethod
    def stack(cls, samples: list[Any], ids: tuple[str, ...]) -> CalibrationSet:
        """Take model inputs one by one: arrays, or mappings of them by input."""
        if not isinstance(samples[0], Mapping):
            return cls(np.stack(samples), ids)
        return cls({name: np.stack([one[name] for one in samples]) for name in samples[0]}, ids)

    def __len__(self) -> int:
        return len(self.ids)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays of the file."""
        inputs = (
            {f"{_SEVERAL}{name}": values for name, values in self.x.items()}
            if isinstance(self.x, Mapping)
            else {_ONE: self.x}
        )
        return {**inputs, _IDS: np.array(self.ids)}

    def samples(self, most: int | None = None) -> list[Any]:
        """Return the examples one by one: arrays, or mappings of them by input.

        Args:
            most: The largest number of them, from the first one on; all if None.
        """
        count = len(self) if most is None else min(most, len(self))
        if not isinstance(self.x, Mapping):
            return list(self.x[:count])
        return [{name: values[at] for name, values in self.x.items()} for at in range(count)]


def check_calibration_set(
    arrays: Mapping[str, np.ndarray], origin: Origin | str | Path
) -> Mapping[str, np.ndarray]:
    """Check that arrays are a calibration set: examples and ``ids``, one of each an example.

    Args:
        arrays: ``x``, array of shape (n_examples, ...), finite numbers, or such an array ``x.NAME``
            for each of several inputs; ``ids``, array of text of shape (n_examples,).
        origin: The place that they come from, or the path of the stage's file.

    Returns:
        The arrays as they are.

    Raises:
        QuantlineError: They are something else; of a stage's file a ResultMissing.
    """
    if not isinstance(origin, Origin):
        remedy = "Run the pipeline with `from_nodes=draw_examples`, which draws the examples anew"
        origin = Origin.of_stage(origin, remedy)
    inputs = [name for name in arrays if name.startswith(_SEVERAL)] or [_ONE]
    for name in (*inputs, _IDS):
        if name not in arrays:
            raise origin.unreadable(f"no array '{name}'", "the arrays 'x' and 'ids'")
    ids = arrays[_IDS]
    if ids.dtype.kind != "U" or ids.ndim != 1:
        found = f"'ids' of dtype {ids.dtype} and shape {ids.shape}"
        raise origin.unreadable(found, "text of shape (n_examples,)")
    for name in inputs:
        x = arrays[name]
        if x.ndim < 1 or len(x) != len(ids) or not x.size:
            found = f"'{name}' of shape {x.shape} with {len(ids)} ids"
            raise origin.unreadable(found, "at least one example, and as many ids")
        check_finite(x, name, origin)
        largest = max(float(x.max()), -float(x.min()))
        if largest > float(np.finfo(np.float32).max):
            found = f"'{name}' with values up to {largest:.3g}"
            raise origin.unreadable(found, "values of float32")
    try:
        names = ids.tolist()
    except ValueError as error:  # numbers that are no characters
        raise origin.damaged(error) from error
    check_plain(names, origin)
    return arrays
