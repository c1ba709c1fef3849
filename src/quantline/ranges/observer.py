"""Statistics of activations, collected in constant memory while a model runs."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from quantline.ranges.sketch import Sketch, TensorRange, codes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantline.tflite import Tensor

_BUFFERED_VALUES = 1 << 21
_EXPONENTS = 280
_SMALLEST = -149  # float32's smallest step is 2 ** -149


class Observer:
    """Collects the outputs of a model's probes, batch by batch."""

    def __init__(self, tensors: Sequence[Tensor], widths: Sequence[int]) -> None:
        count = len(tensors)
        self._tensors = tensors
        self._samples = 0
        self._nan, self._inf = np.zeros((2, count), np.int64)
        self._low = np.full(count, np.inf, np.float32)
        self._high = np.full(count, -np.inf, np.float32)
        self._low_sums, self._high_sums = _ExactSums(count), _ExactSums(count)
        self._edges = np.concatenate([[0], np.cumsum(widths)]).tolist()
        self._waiting: list[np.ndarray] = []
        self._dense = [np.zeros(0, np.int64) for _ in tensors]

    def add(self, extremes: np.ndarray, values: np.ndarray) -> None:
        """Add a batch of samples.

        Args:
            extremes: Minimum and maximum, float32 array of shape (2, n_tensors, n_samples);
                infinite, the wrong way round, where a sample has no finite value.
            values: For the sketches, float32 array of shape (n_samples, sum of widths).
        """
        low, high = extremes
        self._low = np.minimum(self._low, low.min(axis=1))
        self._high = np.maximum(self._high, high.max(axis=1))
        self._low_sums.add(low)
        self._high_sums.add(high)
        self._samples += low.shape[1]
        self._waiting.append(values)
        if len(self._waiting) * values.size > _BUFFERED_VALUES:
            self._count()

    def add_not_finite(self, nan: Sequence[int], inf: Sequence[int]) -> None:
        """Add to the numbers of values of each tensor that are NaN and infinite."""
        self._nan += np.asarray(nan)
        self._inf += np.asarray(inf)

    def result(self) -> list[TensorRange]:
        """Return the range of each tensor so far."""
        self._count()
        low_sums, high_sums = self._low_sums.totals(), self._high_sums.totals()
        return [
            TensorRange(
                index=tensor.index,
                name=tensor.name,
                min=float(self._low[at]),
                max=float(self._high[at]),
                samples=self._samples,
                count=self._samples * tensor.size,
                sum_min=low_sums[at],
                sum_max=high_sums[at],
                nan=int(self._nan[at]),
                inf=int(self._inf[at]),
                sketch=Sketch.from_dense(self._dense[at]),
            )
            for at, tensor in enumerate(self._tensors)
        ]

    def _count(self) -> None:
        """Count the buffered values; counting many at once costs little."""
        if not self._waiting:
            return
        rows = np.concatenate(self._waiting)
        self._waiting = []
        for at, (start, stop) in enumerate(pairwise(self._edges)):
            values = rows[:, start:stop].ravel()
            with np.errstate(over="ignore", invalid="ignore"):
                all_finite = np.isfinite(values.sum())
            if not all_finite:
                values = values[np.isfinite(values)]
            counts = np.bincount(codes(values), minlength=len(self._dense[at]))
            counts[: len(self._dense[at])] += self._dense[at]
            self._dense[at] = counts


class _ExactSums:
    """Exact sums of float32 values, one a tensor: a sum of mantissas for each exponent."""

    def __init__(self, tensors: int) -> None:
        self._mantissas = np.zeros((tensors, _EXPONENTS), np.int64)
        self._rows = np.arange(tensors)[:, np.newaxis]

    def add(self, values: np.ndarray) -> None:
        """Add values of shape (n_tensors, n_samples); infinities, which mean none, are left out."""
        finite = np.where(np.isfinite(values), values, 0).astype(np.float64)
        mantissas, exponents = np.frexp(finite)
        # A float32 has 24 bits of mantissa, a denormal fewer: this is a whole number.
        whole = np.ldexp(mantissas, 24).astype(np.int64)
        np.add.at(self._mantissas, (self._rows, exponents - _SMALLEST), whole)

    def totals(self) -> list[Fraction]:
        return [
            Fraction(
                sum(int(row[at]) << int(at) for at in np.flatnonzero(row)), 1 << (24 - _SMALLEST)
            )
            for row in self._mantissas
        ]
