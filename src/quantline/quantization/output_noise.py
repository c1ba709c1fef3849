"""Float against quantized at one output: sums over samples, by part and channel.

A part is what one tensor contributes to an output that joins several, see :mod:`.output_parts`; a
channel is a place on the last axis. Both are compared by two ratios. The signal to quantization
noise ratio relates the error to the values themselves, as in :mod:`quantline.contract.noise`. The
error as a share of the variation relates it to the standard deviation of the float values: of an
output that stays near one large value it tells what the first hides.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from quantline.tflite.tensor_io import TensorIO

STEPS = 16
"""The steps, of 256 of a scale of its own, from which a channel varies: 4 of its 8 bits."""
NOWHERE = -1
"""The part of a value that comes from no tensor, such as padding."""
_LARGEST = 1e30


@dataclass(frozen=True)
class Groups:
    """Sums over samples and values, each an array of shape (n_groups,).

    Attributes:
        count: The finite values.
        total: The sum of the float values.
        signal: The sum of their squares.
        noise: The sum of the squared errors.
        largest: The largest absolute error.
        low: The least float value.
        high: The largest.
        quantized_low: The least value of the quantized model.
        quantized_high: The largest.
        at_end: The values of the quantized model that stand at an end of its integers, more than a
            step from the float value.
        broken: The values that are finite in float and not in the quantized model.
    """

    count: np.ndarray
    total: np.ndarray
    signal: np.ndarray
    noise: np.ndarray
    largest: np.ndarray
    low: np.ndarray
    high: np.ndarray
    quantized_low: np.ndarray
    quantized_high: np.ndarray
    at_end: np.ndarray
    broken: np.ndarray

    @property
    def variance(self) -> np.ndarray:
        """The sum of the squared differences of the float values from their mean."""
        count = np.maximum(self.count, 1)
        found: np.ndarray = np.maximum(self.signal - np.square(self.total) / count, 0)
        return found

    def together(self, members: np.ndarray) -> Groups:
        """Return groups merged into fewer.

        Args:
            members: array of shape (n_groups,), int: the new group of each; -1 to leave it out.
        """
        kept = members >= 0
        size = int(members.max(initial=-1)) + 1

        def merged(name: str, start: float, merge: np.ufunc) -> np.ndarray:
            found = np.full(size, start)
            merge.at(found, members[kept], getattr(self, name)[kept])
            return found

        return Groups(**{name: merged(name, *how) for name, how in _MERGED.items()})


_MERGED: dict[str, tuple[float, np.ufunc]] = {
    "count": (0.0, np.add), "total": (0.0, np.add), "signal": (0.0, np.add),
    "noise": (0.0, np.add), "largest": (0.0, np.maximum),
    "low": (math.inf, np.minimum), "high": (-math.inf, np.maximum),
    "quantized_low": (math.inf, np.minimum), "quantized_high": (-math.inf, np.maximum),
    "at_end": (0.0, np.add), "broken": (0.0, np.add),
}  # fmt: skip


_BEYOND = 1.01  # steps: rounding aside


class OutputNoise:
    """Collects the sums of one output, sample by sample.

    Attributes:
        channels: The size of the last axis; 1 for a number.
        parts: array of shape (n_groups,), int: the part of each group.
        channel: array of shape (n_groups,), int: its channel.
    """

    def __init__(
        self, port: TensorIO, shape: tuple[int, ...], parts: np.ndarray, *, is_vector: bool
    ) -> None:
        """Start with empty sums.

        Args:
            port: The output as the quantized model has it.
            shape: Its shape.
            parts: array of this shape, or one that broadcasts to it, int: the part of each value.
            is_vector: True if the last axis has channels; that of indices and the like has none.
        """
        self.channels = shape[-1] if shape and is_vector else 1
        own = np.broadcast_to(np.arange(self.channels), shape or (1,)).ravel()
        # Shifted by one, so that NOWHERE is not below 0.
        part = np.broadcast_to(parts, shape or (1,)).ravel() + 1
        found, places = np.unique(part * max(self.channels, 1) + own, return_inverse=True)
        self.parts, self.channel = (
            found // max(self.channels, 1) - 1,
            found % max(self.channels, 1),
        )
        self._order = np.argsort(places, kind="stable")
        self._starts = np.searchsorted(places[self._order], np.arange(len(found)))
        self._port = port
        self._ends = (-math.inf, math.inf)
        if port.scale:
            limits = np.iinfo(port.dtype)
            self._ends = (float(limits.min), float(limits.max))
        self._sums: Groups | None = None

    @property
    def groups(self) -> Groups:
        """The sums so far, one of each for every channel of every part."""
        assert self._sums is not None  # noqa: S101 - there is at least one sample
        return self._sums

    def add(self, real: np.ndarray, stored: np.ndarray) -> None:
        """Add one sample."""
        got = self._port.dequantize(stored).ravel()[self._order].astype(np.float64)
        want = real.ravel()[self._order].astype(np.float64)
        kept = np.isfinite(want) & np.isfinite(got)
        error = np.abs(np.where(kept, got, 0) - np.where(kept, want, 0))
        low, high = self._ends
        whole = stored.ravel()[self._order]
        # More than a step: a probability of 1 is one step from the last integer of SOFTMAX's scale.
        is_end = ((whole == low) | (whole == high)) & (error > _BEYOND * self._port.scale)
        values: dict[str, np.ndarray] = {
            "count": kept,
            "total": np.where(kept, want, 0),
            "signal": np.where(kept, np.square(want, where=kept, out=np.zeros_like(want)), 0),
            "noise": np.square(error),
            "largest": error,
            "low": np.where(kept, want, math.inf),
            "high": np.where(kept, want, -math.inf),
            "quantized_low": np.where(kept, got, math.inf),
            "quantized_high": np.where(kept, got, -math.inf),
            "at_end": is_end,
            "broken": np.isfinite(want) & ~np.isfinite(got),
        }
        if not len(self._starts):  # an output without any value
            self._sums = Groups(**{name: np.zeros(0) for name in values})
            return
        sums = {
            name: _MERGED[name][1].reduceat(value.astype(np.float64), self._starts)
            for name, value in values.items()
        }
        if self._sums is not None:
            sums = {
                name: _MERGED[name][1](getattr(self._sums, name), value)
                for name, value in sums.items()
            }
        self._sums = Groups(**sums)


def figures(groups: Groups, scale: float) -> dict[str, Any]:
    """Return the error figures of a single group, to six digits; a scale of 0 is none."""
    count = max(float(groups.count[0]), 1.0)
    signal, noise, variance = (
        float(total[0]) for total in (groups.signal, groups.noise, groups.variance)
    )
    rms, largest = math.sqrt(noise / count), float(groups.largest[0])
    return {
        "rms_error": rounded(rms),
        "relative_error": rounded(math.sqrt(noise / signal)) if signal else None,
        "error_to_variation": rounded(math.sqrt(noise / variance)) if variance else None,
        "largest_error": rounded(largest),
        "rms_error_steps": rounded(rms / scale) if scale else None,
        "largest_error_steps": rounded(largest / scale) if scale else None,
        "sqnr_db": rounded(10 * math.log10(signal / noise)) if signal and noise else None,
    }


def rounded(value: float) -> float:
    """Return a value to six significant digits, and no larger than results may hold."""
    return float(f"{min(max(value, -_LARGEST), _LARGEST):.6g}")
