"""A trained model of any kind is kept in one place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from kedro.io import DatasetError

from quantline.datasets import TrainedModelDataset
from quantline.files import sha256_of_path

if TYPE_CHECKING:
    from pathlib import Path

KINDS: dict[str, tuple[Any, str]] = {
    "keras": (b"PK\x03\x04 and more", "trained.keras"),
    "tflite": (b"\x1c\x00\x00\x00TFL3", "trained.tflite"),
    "saved_model": ({"saved_model.pb": b"a", "variables/variables.index": b"b"}, "trained"),
}


def test_one_kind_after_the_other(tmp_path: Path) -> None:
    dataset = TrainedModelDataset(filepath=str(tmp_path / "models/trained.keras"))
    assert not dataset.exists()
    assert dataset.sha256() is None
    with pytest.raises(DatasetError, match="no such file"):
        dataset.load()
    for content, name in (*KINDS.values(), *KINDS.values()):
        dataset.save(content)
        assert dataset.load() == content
        assert dataset.filepath == tmp_path / "models" / name
        assert [path.name for path in (tmp_path / "models").iterdir()] == [name]
        assert dataset.sha256() == dataset.sha256_of(content) == sha256_of_path(dataset.filepath)


def test_a_folder_of_the_users_with_that_name_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "trained").mkdir()
    (tmp_path / "trained" / "notes.txt").write_text("mine")
    dataset = TrainedModelDataset(filepath=str(tmp_path / "trained.keras"))
    dataset.save(b"PK\x03\x04")
    assert (tmp_path / "trained" / "notes.txt").exists()
