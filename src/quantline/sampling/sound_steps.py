"""Steps of the transform that turn a sound into features, computed by TensorFlow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.quiet import tensorflow

if TYPE_CHECKING:
    from collections.abc import Callable


def log_mel(asked: Any) -> Callable[[np.ndarray], np.ndarray]:
    """Return the logarithm of mel energies, by TensorFlow's own functions: (n_frames, n_bins)."""
    window = round(asked.sample_rate * asked.window_ms / 1000)
    hop = round(asked.sample_rate * asked.hop_ms / 1000)

    def step(sound: np.ndarray) -> np.ndarray:
        tf = tensorflow()
        if sound.ndim != 1 or len(sound) < window:
            raise ValueError(f"a sound of at least {window} samples is needed")
        spectrum = tf.abs(tf.signal.stft(tf.cast(sound, tf.float32), window, hop))
        bands = tf.signal.linear_to_mel_weight_matrix(
            asked.bins, spectrum.shape[-1], asked.sample_rate, asked.low_hz, asked.high_hz
        )
        return np.asarray(tf.math.log(tf.matmul(spectrum, bands) + asked.offset))

    return step


def mfcc(asked: Any) -> Callable[[np.ndarray], np.ndarray]:
    """Return the first coefficients of each frame, by TensorFlow's function: (n_frames, n)."""
    energies = log_mel(asked)

    def step(sound: np.ndarray) -> np.ndarray:
        tf = tensorflow()
        found = tf.signal.mfccs_from_log_mel_spectrograms(energies(sound))
        return np.asarray(found[:, : asked.coefficients])

    return step
