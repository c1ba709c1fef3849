from __future__ import annotations

from pathlib import Path

import pytest

from quantline.errors import ModelUnreadable
from quantline.tflite import read

SHARED = Path(__file__).resolve().parents[2] / "../shared/edgetpu_pairs"


@pytest.mark.parametrize(
    ("content", "kind", "remedy"),
    [
        (b"PK\x03\x04" + bytes(100), "a zip file", ".keras"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "an HDF5 file", ".h5"),
        (b"\x1c\0\0\0TFL4" + bytes(100), "not a .tflite file", "SavedModel"),
    ],
)
def test_another_kind_of_file_is_named_with_what_to_do(
    content: bytes, kind: str, remedy: str
) -> None:
    with pytest.raises(ModelUnreadable) as caught:
        read(content, "'m'")
    assert kind in caught.value.what
    assert remedy in caught.value.remedy


@pytest.mark.skipif(not SHARED.exists(), reason="the published models are not here")
def test_published_models_are_read() -> None:
    files = sorted(SHARED.glob("*.tflite"))
    assert len(files) > 30
    for file in files:
        assert read(file.read_bytes(), file.name).main.tensors
