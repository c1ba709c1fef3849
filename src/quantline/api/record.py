"""Ranges of a float model's activations: recorded on samples, and merged."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

from quantline.api.given import source_in_memory
from quantline.api.prepare import prepare
from quantline.api.reading import opened
from quantline.errors import ParameterError
from quantline.ranges import RangeSet

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable
    from typing import Literal, Unpack

    from quantline.api.given import ModelLike, SamplesLike
    from quantline.api.reading import Reading


def record(
    model: ModelLike,
    samples: SamplesLike,
    *,
    lint: Literal["error", "warn"] = "error",
    **reading: Unpack[Reading],
) -> RangeSet:
    """Record what every activation of a float model is on samples.

    Args:
        model: As :func:`quantline.quantize` takes it.
        samples: Calibration samples, likewise.
        lint: Whether calibration data that would give a wrong model is an error or a warning.
        **reading: How the model is read: :class:`quantline.Reading`.

    Raises:
        DataError: The samples do not fit the model, or are not fit to calibrate with.
        QuantlineError: As :func:`quantline.quantization.import_float` lists them.
    """
    in_memory = source_in_memory(model)
    with opened(model, reading) as (source, limits):
        ranges = prepare(source, limits, samples, lint, in_memory).record()
    ranges.check_finite()
    return ranges


def merge(ranges: Iterable[RangeSet | str | os.PathLike[str]]) -> RangeSet:
    """Return the ranges of several recordings of one model, as if recorded at once.

    Args:
        ranges: Range sets, or the paths of their files, in any order.

    Raises:
        ParameterError: There are none.
        MismatchError: They were recorded from different models, or from the same samples.
    """
    sets = [item if isinstance(item, RangeSet) else RangeSet.load(item) for item in ranges]
    if not sets:
        raise ParameterError(
            "There are no ranges to merge",
            found="an empty `ranges`",
            expected="at least one set of ranges",
            remedy="Record ranges first",
        )
    return reduce(RangeSet.merge, sets)
