"""Signal and quantization noise, summed over samples.

The signal to quantization noise ratio of a float output ``x`` and a quantized one ``y`` is
``10 log10(sum x^2 / sum (x - y)^2)`` decibels. Source: Lin, Talathi and Annapureddy, Fixed Point
Quantization of Deep Convolutional Networks (ICML 2016), section 3, for the layers of a network;
one more bit of precision is worth about 6 dB.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from quantline.quantization.output_noise import STEPS

if TYPE_CHECKING:
    from quantline.tflite.tensor_io import TensorIO


def sqnr_db(signal: float, noise: float) -> float:
    """Return the signal to quantization noise ratio in dB of two sums of squares.

    It is infinite without noise, and minus infinity without a signal or where one is not finite.
    """
    if not noise:
        return math.inf
    ratio = signal / noise
    return 10 * math.log10(ratio) if 0 < ratio < math.inf else -math.inf


class Noise:
    """Sums over one layer's output.

    Attributes:
        count: The number of values.
        beyond: The number of float values beyond the quantized range by more than half a step.
        signal: The sum of squares of the float values.
        noise: The sum of squares of the quantized model's errors.
        own_noise: Likewise of the values of the layer alone.
        channels: The same sums for each channel, a place on the last axis.
        low: The least float value.
        high: The largest.
        ends: The least and the largest number that the integers can hold; None for floats.
    """

    def __init__(self, port: TensorIO) -> None:
        """Begin with nothing, for an output as the quantized model has it."""
        self.count = self.beyond = 0
        self.signal = self.noise = self.own_noise = 0.0
        self.low, self.high = math.inf, -math.inf
        self.channels = Channels(port.shape[-1] if port.shape else 1)
        self.ends: tuple[float, float] | None = None
        if port.scale:
            limits = np.iinfo(port.dtype)
            ends = np.array([limits.min, limits.max], port.dtype)
            self.ends = tuple(port.dequantize(ends).tolist())
        self._half = port.scale / 2

    def add(self, real: np.ndarray, whole: np.ndarray, alone: np.ndarray) -> None:
        """Add one sample: float32 arrays of one shape.

        Args:
            real: The output of the float model.
            whole: The output of the quantized model, as real numbers.
            alone: The output of the layer alone, likewise.
        """
        self.count += real.size
        self.signal += _power(real)
        with np.errstate(invalid="ignore"):  # infinity minus itself
            self.noise += _power(real - whole)
            self.own_noise += _power(real - alone)
        self.channels.add(real, whole)
        self.low = min(self.low, float(real.min(initial=math.inf)))
        self.high = max(self.high, float(real.max(initial=-math.inf)))
        if self.ends is not None:
            low, high = self.ends
            beyond = (real < low - self._half) | (real > high + self._half)
            self.beyond += int(np.count_nonzero(beyond))


class Channels:
    """The sums over each channel of one layer's output: arrays of shape (n_channels,).

    Attributes:
        signal: The sums of squares of the float values.
        noise: The sums of squares of the quantized model's errors.
        low: The least float values.
        high: The largest.
        got_low: The least values of the quantized model.
        got_high: The largest.
    """

    def __init__(self, count: int) -> None:
        """Begin with nothing."""
        self.signal, self.noise = np.zeros(count), np.zeros(count)
        self.low, self.got_low = np.full(count, np.inf), np.full(count, np.inf)
        self.high, self.got_high = np.full(count, -np.inf), np.full(count, -np.inf)

    def add(self, real: np.ndarray, whole: np.ndarray) -> None:
        """Add one sample: float32 arrays of one shape."""
        if not real.size:
            return
        want, got = (values.reshape(-1, len(self.signal)) for values in (real, whole))
        self.signal += np.einsum("ij,ij->j", want, want, dtype=np.float64)
        with np.errstate(invalid="ignore"):  # infinity minus itself
            error = got - want
        self.noise += np.einsum("ij,ij->j", error, error, dtype=np.float64)
        self.low, self.high = np.minimum(self.low, want.min(0)), np.maximum(self.high, want.max(0))
        self.got_low = np.minimum(self.got_low, got.min(0))
        self.got_high = np.maximum(self.got_high, got.max(0))

    @property
    def worst(self) -> int | None:
        """The channel with the most noise for its signal; None where none has a signal."""
        has_signal = self.signal > 0
        if not has_signal.any():
            return None
        none = np.full(len(has_signal), -1.0)
        ratios = np.divide(self.noise, self.signal, out=none, where=has_signal)
        return int(np.argmax(ratios))

    @property
    def constant(self) -> int:
        """The number of channels that vary in float and are one value in the quantized model.

        To vary is to be worth 16 of 256 steps, as in :mod:`quantline.quantization.output_loss`.
        """
        width = self.high - self.low
        own = (np.maximum(self.high, 0) - np.minimum(self.low, 0)) / 255
        varies = (width > 0) & (width >= STEPS * own)
        return int(np.count_nonzero(varies & (self.got_low == self.got_high)))


def _power(values: np.ndarray) -> float:
    return float(np.square(values, dtype=np.float64).sum())
