"""Sounds against the waves that were written, and the steps that turn them into features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.io import wavfile

from quantline import recipe
from quantline.errors import DataError
from quantline.sampling import build_transform, open_source

if TYPE_CHECKING:
    from pathlib import Path

    from quantline.sampling import Source

RATE = 8000


def tone(hertz: float, seconds: float, rate: int = RATE) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def opened(folder: Path, **audio: Any) -> Source:
    given = {"sample_rate": RATE, "seconds": 0.5, **audio}
    return open_source(recipe.Dataset(source="audio_csv", data_dir=str(folder), audio_csv=given))


def all_of(source: Source, split: str) -> list[Any]:
    return list(source.examples(split, {entry.id for entry in source.entries(split)}))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    wave = tone(440, 0.5)
    kinds = {
        "pcm16": (wave * 32768).astype(np.int16),
        "pcm32": (wave * 2**31).astype(np.int32),
        "bytes": (wave * 128 + 128).round().astype(np.uint8),
        "float": wave.astype(np.float32),
        "stereo": np.stack([wave, -wave], axis=1).astype(np.float32),
    }
    for name, samples in kinds.items():
        wavfile.write(tmp_path / f"{name}.wav", RATE, samples)
    rows = "".join(f"{name}.wav,{label}\n" for label, name in enumerate(kinds))
    (tmp_path / "list.csv").write_text("file,label\n" + rows)
    return tmp_path


def test_samples_of_every_kind_are_real_numbers(folder: Path) -> None:
    found = {example.id: example for example in all_of(opened(folder), "list.csv")}
    wave = tone(440, 0.5)
    for name, tolerance in {"pcm16": 1e-4, "pcm32": 1e-6, "bytes": 0.01, "float": 1e-7}.items():
        np.testing.assert_allclose(found[f"{name}.wav"].value, wave, atol=tolerance)
    assert np.abs(found["stereo.wav"].value).max() < 1e-7
    assert [example.label for example in found.values()] == [0, 1, 2, 3, 4]
    assert found["float.wav"].value.dtype == np.float32
    assert len(all_of(opened(folder), ".")) == 5  # a folder is unlabelled


def test_length_and_rate_are_made_equal(folder: Path) -> None:
    (longer,) = [one for one in all_of(opened(folder, seconds=0.75), "list.csv[3:4]")]
    assert longer.value.shape == (6000,)
    assert not longer.value[4000:].any()
    (shorter,) = [one for one in all_of(opened(folder, seconds=0.25), "list.csv[3:4]")]
    np.testing.assert_allclose(shorter.value, tone(440, 0.25), atol=1e-7)
    (faster,) = all_of(opened(folder, sample_rate=16000), "list.csv[3:4]")
    middle = slice(500, 7500)  # the filter rings at the ends
    np.testing.assert_allclose(faster.value[middle], tone(440, 0.5, 16000)[middle], atol=0.01)


@pytest.mark.parametrize("content", [b"", b"RIFF", b"no sound", b"RIFF\x24\0\0\0WAVEfmt "])
def test_files_that_are_no_sounds(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.wav").write_bytes(content)
    (tmp_path / "list.csv").write_text("file,label\na.wav,0\n")
    with pytest.raises(DataError, match=r"The sound '.*a\.wav' cannot be read"):
        all_of(opened(tmp_path), "list.csv")


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("file,label\nb.wav,0\n")
    with pytest.raises(DataError, match=r"b\.wav"):
        all_of(opened(tmp_path), "list.csv")


def test_features_are_those_of_tensorflow_and_tell_tones_apart(tf: Any) -> None:
    given = {"sample_rate": RATE, "window_ms": 32, "hop_ms": 16, "bins": 20, "high_hz": 3000}
    features = build_transform([{"log_mel": given}])
    low, high = (features(tone(hertz, 0.5).astype(np.float32)) for hertz in (200, 2500))
    assert low.shape == (30, 20)
    assert low.mean(axis=0).argmax() < high.mean(axis=0).argmax()
    coefficients = build_transform([{"mfcc": {**given, "coefficients": 8}}])
    found = coefficients(tone(200, 0.5).astype(np.float32))
    wanted = tf.signal.mfccs_from_log_mel_spectrograms(low)[:, :8]
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    with pytest.raises(DataError, match="at least 256 samples"):
        features(np.zeros(100, np.float32))
