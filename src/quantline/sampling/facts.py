"""The facts about calibration examples that the lint judges, collected in one pass."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from quantline.sampling.output_bounds import Bounds

# Beyond rounding in float32 or float16, as a share of what is promised.
_TOLERANCE = 1e-3


@dataclass
class Facts:
    """The facts about a set of examples; lists hold the positions of examples.

    Attributes:
        count: How many examples there are.
        dtypes: The dtypes of those that are real numbers.
        not_numbers: Those that are not, with their dtype.
        fractional: Those with values that are not whole.
        other_shapes: Those of another shape than the input, with their shape.
        nan: Those with NaN.
        inf: Those with infinite values, or too large for float32.
        constant: Those with one value everywhere, with that value.
        digests: The hash of each example's content; empty for those that cannot be looked into.
        outside: Those with values outside the promised bounds.
        min: The smallest finite value.
        max: The largest.
    """

    count: int = 0
    dtypes: set[str] = field(default_factory=set)
    not_numbers: list[tuple[int, str]] = field(default_factory=list)
    fractional: list[int] = field(default_factory=list)
    other_shapes: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)
    nan: list[int] = field(default_factory=list)
    inf: list[int] = field(default_factory=list)
    constant: dict[int, float] = field(default_factory=dict)
    digests: list[bytes] = field(default_factory=list)
    outside: list[int] = field(default_factory=list)
    min: float = np.inf
    max: float = -np.inf


def examine(
    samples: Iterable[Any], shape: Sequence[int | None], promised: Bounds | None = None
) -> Facts:
    """Collect the facts, with one example in memory at a time.

    Args:
        samples: Anything that numpy makes arrays of.
        shape: The input's shape without the batch.
        promised: The bounds that values should keep.
    """
    facts = Facts()
    for position, sample in enumerate(samples):
        facts.count += 1
        facts.digests.append(b"")
        try:
            value = np.asarray(sample)
        except ValueError:  # lists of different lengths
            facts.not_numbers.append((position, "nested lists of different lengths"))
            continue
        if value.dtype.kind not in "biuf":
            facts.not_numbers.append((position, str(value.dtype)))
            continue
        facts.dtypes.add(str(value.dtype))
        if not (_fits(value.shape, shape) or _fits(value.shape, (1, *shape))):
            facts.other_shapes.append((position, value.shape))
            continue
        facts.digests[position] = hashlib.sha256(value.tobytes()).digest()
        _look_into(facts, position, value, promised)
    return facts


def _look_into(facts: Facts, position: int, value: np.ndarray, promised: Bounds | None) -> None:
    if value.dtype.kind == "f":
        with np.errstate(over="ignore"):
            finite = np.isfinite(value.astype(np.float32, copy=False))
        if not finite.all():
            is_nan = np.isnan(value)
            if is_nan.any():
                facts.nan.append(position)
            if not (finite | is_nan).all():
                facts.inf.append(position)
            return
        if (value != np.trunc(value)).any():
            facts.fractional.append(position)
    if not value.size:
        return
    low, high = value.min(), value.max()
    if low == high:
        facts.constant[position] = float(low)
    facts.min, facts.max = min(facts.min, float(low)), max(facts.max, float(high))
    if promised is not None:
        margin = _TOLERANCE * float(np.max(promised.high - promised.low))
        if ((value < promised.low - margin) | (value > promised.high + margin)).any():
            facts.outside.append(position)


def _fits(shape: Sequence[int], expected: Sequence[int | None]) -> bool:
    return len(shape) == len(expected) and all(
        wanted is None or wanted < 0 or size == wanted
        for size, wanted in zip(shape, expected, strict=True)
    )


def values_per_example(shape: Sequence[int | None]) -> int:
    """Return the number of values of the input; unknown sizes count as 2."""
    return prod(2 if size is None or size < 0 else size for size in shape)
