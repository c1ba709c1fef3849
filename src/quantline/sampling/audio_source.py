"""WAV files as a source, brought to one sample rate and one length."""

from __future__ import annotations

import io
import warnings
from math import gcd
from typing import TYPE_CHECKING

import numpy as np

from quantline.errors import DataError, first_line
from quantline.reading import Unreadable, read_file
from quantline.sampling.file_source import FileSource

if TYPE_CHECKING:
    from pathlib import Path

    from quantline import recipe

LARGEST_BYTES = 512 << 20


class AudioSource(FileSource):
    """WAV files below the data folder; several channels become their mean."""

    version = None
    name = "audio_csv"
    suffixes = frozenset({".wav"})
    noun = "sound"

    def __init__(self, dataset: recipe.Dataset) -> None:
        own = dataset.audio_csv
        super().__init__(dataset.data_dir, own.file_column, own.label_column)
        self._rate, self._length = own.sample_rate, round(own.seconds * own.sample_rate)

    def decode(self, file: Path) -> tuple[bytes, np.ndarray]:
        """Return a file's bytes and its samples in [-1, 1], array of shape (n_samples,).

        What is longer than the length is cut off at the end; what is shorter is filled with zeros.
        """
        from scipy.io import wavfile
        from scipy.signal import resample_poly

        try:
            stored = read_file(file, LARGEST_BYTES)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of chunks that are no sound
                rate, samples = wavfile.read(io.BytesIO(stored))
            sound = _real(samples)
            if not len(sound) or not 0 < rate <= 1_000_000:
                raise ValueError(f"{len(sound)} samples at {rate} Hz")
        except Exception as error:  # the reader fails in its own ways on damage
            raise DataError(
                f"The sound '{file}' cannot be read",
                found=str(error) if isinstance(error, Unreadable) else first_line(error),
                expected="a WAV file of PCM or floating-point samples",
                remedy="Restore the file or store it anew, or remove its line from the CSV file",
            ) from error
        if rate != self._rate:
            shared = gcd(rate, self._rate)
            sound = resample_poly(sound, self._rate // shared, rate // shared)
        sound = sound[: self._length]
        padded = np.pad(sound, (0, self._length - len(sound)))
        return stored, padded.astype(np.float32)


def _real(samples: np.ndarray) -> np.ndarray:
    """Return samples as real numbers in [-1, 1], of several channels their mean."""
    if samples.dtype == np.uint8:
        values = (samples.astype(np.float64) - 128) / 128
    elif samples.dtype.kind == "i":
        values = samples / -float(np.iinfo(samples.dtype).min)
    else:
        values = samples.astype(np.float64)
    return np.asarray(values if values.ndim == 1 else values.mean(axis=1))
