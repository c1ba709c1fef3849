"""One input or output of a model, and how its integers stand for real numbers.

Saved models carry a copy of this file, so that they run where Quantline is not installed: it may
import nothing but numpy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class TensorIO:
    """One input or output of a model.

    Attributes:
        index: The runtime's tensor index.
        name: The tensor's name.
        shape: Its shape, batch first.
        dtype: Its numpy dtype.
        scale: Its scale; 0 where it is not quantized.
        zero_point: Its zero point.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scale: float
    zero_point: int

    @classmethod
    def of(cls, detail: dict[str, Any]) -> TensorIO:
        """Return the port that an interpreter's input or output details describe."""
        scale, zero_point = detail["quantization"]
        return cls(
            index=detail["index"],
            name=detail["name"],
            shape=tuple(int(size) for size in detail["shape"]),
            dtype=np.dtype(detail["dtype"]),
            scale=float(scale),
            zero_point=int(zero_point),
        )

    def quantize(self, real: np.ndarray) -> np.ndarray:
        """Return real values as this port's dtype, rounded half away from zero and clipped.

        The rule is that of TensorFlow Lite's QUANTIZE operator (``TfLiteRound``, then clamp).
        """
        if not self.scale:
            return real.astype(self.dtype, copy=False)
        limits = np.iinfo(self.dtype)
        # In float32 the sum with a half would round too: 0.49999997 + 0.5 is 1 there.
        scaled = (real.astype(np.float32) / np.float32(self.scale)).astype(np.float64)
        rounded = np.trunc(scaled + np.copysign(0.5, scaled)) + self.zero_point
        clipped: np.ndarray = np.clip(rounded, limits.min, limits.max).astype(self.dtype)
        return clipped

    def dequantize(self, stored: np.ndarray) -> np.ndarray:
        """Return this port's stored values as real float32 numbers."""
        if not self.scale:
            return stored.astype(np.float32, copy=False)
        centred = stored.astype(np.int32) - self.zero_point
        return centred.astype(np.float32) * np.float32(self.scale)
