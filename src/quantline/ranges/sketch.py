"""A histogram of values over bfloat16 bins: mergeable, and never in need of other bins."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

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
