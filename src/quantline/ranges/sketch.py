"""The statistics of a tensor: its range, and a histogram that is mergeable without other bins."""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

RELATIVE_WIDTH = 2.0**-7
"""The width of a bin as a share of its lower edge's magnitude: the 7 bits of its mantissa."""

_KEYS = 1 << 16
_LARGEST_KEY = 0x7F7F  # of the largest finite bfloat16 number
_MOST_VALUES = 1 << 53  # so that those of many sketches can be added, and a float holds how many


@dataclass(frozen=True, eq=False)
class Sketch:
    """The number of values in each bin.

    A bin holds the values that are one and the same bfloat16 number when their lower 16 bits are
    cut off: sign, exponent and 7 bits of mantissa. Every float has its bin, however far a range
    grows, so bins adapt by being there. Merging adds counts, and so is exact in any order. A
    quantile is within one bin of the one of the values seen: less than 0.8 % of its magnitude.

    Attributes:
        keys: The bins that are not empty, ascending, int32 array of shape (n_bins,): the bits of
            the magnitude's bfloat16 number, negative for negative values; 0 holds zero.
        counts: The number of values in each, int64 array of shape (n_bins,).
    """

    keys: np.ndarray
    counts: np.ndarray

    @classmethod
    def empty(cls) -> Sketch:
        """Return a sketch that has seen nothing."""
        return cls(np.zeros(0, np.int32), np.zeros(0, np.int64))

    @classmethod
    def from_dense(cls, dense: np.ndarray) -> Sketch:
        """Return the sketch of counts by :func:`codes`, an int64 array of shape (n,)."""
        used = np.flatnonzero(dense)
        magnitude = (used >> 1).astype(np.int32)
        keys = np.where(used & 1, -magnitude, magnitude).astype(np.int32)
        return _summed(keys, dense[used].astype(np.int64))  # +0 and -0 are one bin

    @property
    def total(self) -> int:
        """The number of values counted."""
        return int(self.counts.sum())

    @property
    def zero_share(self) -> float:
        """The share of values that are zero; 0 where nothing was counted."""
        zeros = int(self.counts[self.keys == 0].sum())
        return zeros / self.total if self.total else 0.0

    def edges(self) -> tuple[np.ndarray, np.ndarray]:
        """Return each bin's lower and upper edge, two float64 arrays of shape (n_bins,)."""
        near, far = (_number(np.abs(self.keys) + more) for more in (0, 1))
        far = np.minimum(far, np.finfo(np.float32).max)  # the last bin ends with the last number
        far = np.where(self.keys == 0, 0.0, far)
        return np.where(self.keys < 0, -far, near), np.where(self.keys < 0, -near, far)

    def quantile(self, p: float) -> float:
        """Return the quantile ``p``, interpolated linearly in its bin."""
        low, high = self.edges()
        below = np.concatenate([[0], np.cumsum(self.counts)])
        rank = p * below[-1]
        at = min(int(np.searchsorted(below[1:], rank)), len(self.keys) - 1)
        inside = (rank - below[at]) / self.counts[at]
        return float(low[at] + (high[at] - low[at]) * inside)

    def to_text(self) -> str:
        """Return the sketch as base64 of little-endian keys (int32), then counts (int64)."""
        packed = self.keys.astype("<i4").tobytes() + self.counts.astype("<i8").tobytes()
        return base64.b64encode(packed).decode()

    @classmethod
    def from_text(cls, text: str) -> Sketch:
        """Return the sketch that :meth:`to_text` wrote."""
        packed = base64.b64decode(text, validate=True)
        size = len(packed) // 12
        if len(packed) != 12 * size or size > _KEYS:
            raise ValueError("a sketch whose bins do not hold together")
        keys = np.frombuffer(packed, "<i4", size).astype(np.int32)
        counts = np.frombuffer(packed, "<i8", offset=4 * size).astype(np.int64)
        if (keys[1:] <= keys[:-1]).any() or (counts <= 0).any():
            raise ValueError("a sketch whose bins do not hold together")
        if (keys < -_LARGEST_KEY).any() or (keys > _LARGEST_KEY).any():
            raise ValueError("a sketch with bins beyond all finite numbers")
        if sum(counts.tolist()) > _MOST_VALUES:
            raise ValueError("a sketch of more values than can be counted")
        return cls(keys, counts)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Sketch)
            and np.array_equal(self.keys, other.keys)
            and np.array_equal(self.counts, other.counts)
        )

    def __hash__(self) -> int:
        return hash((self.keys.tobytes(), self.counts.tobytes()))


def merged(sketches: Iterable[Sketch]) -> Sketch:
    """Return the sketch of everything that these have seen."""
    every = [Sketch.empty(), *sketches]
    return _summed(
        np.concatenate([item.keys for item in every]),
        np.concatenate([item.counts for item in every]),
    )


def codes(values: np.ndarray) -> np.ndarray:
    """Return small numbers for the bins of values, to count with: magnitude first, sign last.

    Args:
        values: Contiguous float32 array of shape (n,).

    Returns:
        uint16 array of shape (n,), twice the magnitude's bfloat16 bits, plus 1 if negative.
    """
    upper = values.view(np.uint16)[1::2]  # little-endian, as every machine that LiteRT runs on
    return (upper << 1) | (upper >> 15)


def bin_of(value: float) -> int:
    """Return the key of the bin that holds a finite float32 number."""
    upper = int(np.float32(abs(value)).view(np.uint32)) >> 16
    return -upper if value < 0 else upper


def _number(bits: np.ndarray) -> np.ndarray:
    return (bits.astype(np.uint32) << 16).view(np.float32).astype(np.float64)


def _summed(keys: np.ndarray, counts: np.ndarray) -> Sketch:
    unique, places = np.unique(keys, return_inverse=True)
    sums = np.zeros(len(unique), np.int64)
    np.add.at(sums, places, counts)
    return Sketch(unique.astype(np.int32), sums)


_LARGEST_SUM = 2**53 * Fraction(2) ** 128  # of as many samples as are counted exactly


@dataclass(frozen=True)
class TensorRange:
    """The statistics of one tensor over all samples.

    Attributes:
        index: The tensor's index in the float model's main subgraph.
        name: Its name.
        min: The smallest finite value; float32, infinite where there was none.
        max: The largest finite value; likewise.
        samples: The number of samples.
        count: The number of values.
        sum_min: The sum of each sample's smallest value, exact.
        sum_max: The sum of each sample's largest value, exact.
        nan: The number of values that are NaN.
        inf: The number of infinite values.
        sketch: The histogram of the values that entered it, which are evenly spread ones where
            there are many.
    """

    index: int
    name: str
    min: float
    max: float
    samples: int = 0
    count: int = 0
    sum_min: Fraction = Fraction(0)
    sum_max: Fraction = Fraction(0)
    nan: int = 0
    inf: int = 0
    sketch: Sketch = field(default_factory=Sketch.empty, repr=False)

    @property
    def average_min(self) -> float:
        """The cumulative moving average of each sample's smallest value.

        It weighs all samples alike, ``a += (min - a) / n``; an exponential average would depend on
        their order, and could not be merged.
        """
        return float(self.sum_min / self.samples) if self.samples else self.min

    @property
    def average_max(self) -> float:
        """The cumulative moving average of each sample's largest value."""
        return float(self.sum_max / self.samples) if self.samples else self.max

    def merge(self, other: TensorRange) -> TensorRange:
        """Return the statistics over the samples of both."""
        return TensorRange(
            index=self.index,
            name=self.name,
            min=min(self.min, other.min),
            max=max(self.max, other.max),
            samples=self.samples + other.samples,
            count=self.count + other.count,
            sum_min=self.sum_min + other.sum_min,
            sum_max=self.sum_max + other.sum_max,
            nan=self.nan + other.nan,
            inf=self.inf + other.inf,
            sketch=merged([self.sketch, other.sketch]),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            **vars(self),
            "min": self.min if math.isfinite(self.min) else None,
            "max": self.max if math.isfinite(self.max) else None,
            "sum_min": str(self.sum_min),
            "sum_max": str(self.sum_max),
            "sketch": self.sketch.to_text(),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TensorRange:
        """Build the range from what :meth:`to_dict` gave.

        Raises:
            ValueError: The sketch, or a sum, cannot be that of values between ``min`` and ``max``.
        """
        low, high = values["min"], values["max"]
        tensor = cls(
            **{
                **values,
                "min": math.inf if low is None else float(low),
                "max": -math.inf if high is None else float(high),
                "sum_min": Fraction(values["sum_min"]),
                "sum_max": Fraction(values["sum_max"]),
                "sketch": Sketch.from_text(values["sketch"]),
            }
        )
        tensor._check_values()
        return tensor

    def _check_values(self) -> None:
        keys = self.sketch.keys
        is_seen = self.min <= self.max
        if len(keys) and not (
            is_seen and bin_of(self.min) <= keys[0] and keys[-1] <= bin_of(self.max)
        ):
            raise ValueError("a sketch of values that are not between 'min' and 'max'")
        # Of samples without a finite value, which has none here, nothing entered the sums.
        ends = (self.min, self.max) if is_seen else (0.0, 0.0)
        least, most = (self.samples * Fraction(end) for end in ends)
        if not (self.nan or self.inf or least <= self.sum_min <= self.sum_max <= most):
            raise ValueError("sums of extremes that are not between those of 'min' and of 'max'")
        if abs(self.sum_min) > _LARGEST_SUM or abs(self.sum_max) > _LARGEST_SUM:
            raise ValueError("sums of extremes that no float32 values have")
