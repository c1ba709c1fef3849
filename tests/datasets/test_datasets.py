"""Every dataset gives back what it was given, and never half a file."""

from __future__ import annotations

import json
import resource
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from kedro.io import DatasetError

from quantline.datasets import BytesDataset, FolderDataset, JsonDataset, NpzDataset, ParquetDataset
from quantline.errors import OutputNotWritten, ResultMissing

if TYPE_CHECKING:
    from pathlib import Path


def arrays() -> dict[str, np.ndarray]:
    x = np.random.default_rng(3).normal(size=(5, 4, 4, 1)).astype(np.float32)
    return {"x": x, "ids": np.array([f"test.npz[{row}]" for row in range(5)])}


def table() -> pa.Table:
    return pa.table({"id": ["a", "b", "c"], "label": [0, None, 2], "loss": [0.5, None, 1e-300]})


def blocks() -> dict[str, Any]:
    return {"name": "größe", "size_bytes": 10, "nested": {"b": [1, 2.5, None], "a": True}}


VALUES = [
    (BytesDataset, lambda: bytes(range(256))),
    (JsonDataset, blocks),
    (NpzDataset, arrays),
    (ParquetDataset, table),
]
kinds = pytest.mark.parametrize(("kind", "make"), VALUES, ids=lambda item: item.__name__)
# Any bytes are a BytesDataset's, so nothing can damage its file.
structured = pytest.mark.parametrize(("kind", "make"), VALUES[1:], ids=lambda item: item.__name__)


def same(left: Any, right: Any) -> bool:
    if isinstance(left, dict) and isinstance(next(iter(left.values())), np.ndarray):
        return left.keys() == right.keys() and all(
            left[key].dtype == right[key].dtype and np.array_equal(left[key], right[key])
            for key in left
        )
    return bool(left == right)


def reason(error: pytest.ExceptionInfo[DatasetError]) -> BaseException | None:
    """What Kedro wrapped."""
    return error.value.__cause__


@kinds
def test_what_was_saved_is_loaded(tmp_path: Path, kind: Any, make: Any) -> None:
    dataset = kind(filepath=str(tmp_path / "deep" / "folder" / "result"))
    assert not dataset.exists()
    dataset.save(make())
    assert dataset.exists()
    assert same(dataset.load(), make())


@kinds
def test_equal_content_has_equal_bytes(tmp_path: Path, kind: Any, make: Any) -> None:
    for name in ("first", "second"):
        kind(filepath=str(tmp_path / name)).save(make())
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_json_has_sorted_keys_and_ends_with_a_newline(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    JsonDataset(filepath=str(path)).save({"b": {"d": 1, "c": 2}, "a": 3})
    text = path.read_text()
    assert text == json.dumps({"a": 3, "b": {"c": 2, "d": 1}}, indent=1) + "\n"
    JsonDataset(filepath=str(path)).save({"a": 3, "b": {"c": 2, "d": 1}})
    assert path.read_text() == text


def test_an_archive_holds_no_time_of_its_making(tmp_path: Path) -> None:
    path = tmp_path / "result.npz"
    NpzDataset(filepath=str(path)).save(arrays())
    with zipfile.ZipFile(path) as archive:
        assert {item.date_time for item in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_an_archive_of_python_objects_is_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "result.npz"
    np.savez(path, x=np.array([{"code": 1}], dtype=object))
    with pytest.raises(DatasetError) as error:
        NpzDataset(filepath=str(path)).load()
    assert isinstance(reason(error), ResultMissing)


@kinds
def test_a_missing_result_is_named(tmp_path: Path, kind: Any, make: Any) -> None:
    path = tmp_path / "result"
    with pytest.raises(DatasetError) as error:
        kind(filepath=str(path)).load()
    assert isinstance(reason(error), ResultMissing)
    assert f"'{path}' cannot be read. Found: no such file." in str(reason(error))


def test_a_folder_is_not_a_result(tmp_path: Path) -> None:
    dataset = BytesDataset(filepath=str(tmp_path))
    assert not dataset.exists()
    with pytest.raises(DatasetError) as error:
        dataset.load()
    assert isinstance(reason(error), ResultMissing)


@structured
@pytest.mark.parametrize("kept", [0.0, 0.5], ids=["empty", "cut off"])
def test_a_damaged_result_is_named(tmp_path: Path, kind: Any, make: Any, kept: float) -> None:
    path = tmp_path / "result"
    dataset = kind(filepath=str(path))
    dataset.save(make())
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(DatasetError) as error:
        dataset.load()
    assert isinstance(reason(error), ResultMissing)
    assert f"'{path}' cannot be read. Found: a damaged file" in str(reason(error))


@kinds
def test_a_disk_that_takes_no_more_leaves_the_old_result(
    tmp_path: Path, kind: Any, make: Any
) -> None:
    path = tmp_path / "result"
    dataset = kind(filepath=str(path))
    dataset.save(make())
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, limits[1]))
    try:
        with pytest.raises(DatasetError) as error:
            dataset.save(make())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert isinstance(reason(error), OutputNotWritten)
    assert "File too large" in str(reason(error))
    assert path.read_bytes() == before
    assert [other.name for other in tmp_path.iterdir()] == ["result"]


def test_what_is_not_a_number_never_replaces_a_result(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    dataset = JsonDataset(filepath=str(path))
    dataset.save({"top1": 0.5})
    before = path.read_bytes()
    for number in ("nan", "inf"):
        with pytest.raises(DatasetError) as error:
            dataset.save({"scores": [{"top1": float(number)}]})
        assert isinstance(reason(error), OutputNotWritten)
        assert f"was not written. Found: {number} at 'scores.0.top1'" in str(reason(error))
    assert path.read_bytes() == before


def test_a_folder_holds_what_was_saved_last_and_nothing_else(tmp_path: Path) -> None:
    dataset = FolderDataset(filepath=str(tmp_path / "deep" / "folder"))
    assert not dataset.exists()
    dataset.save({"model.tflite": b"first", "model.log": b"text"})
    dataset.save({"model.tflite": b"second"})
    (tmp_path / "deep" / "folder" / ".model.tflite.partial").write_bytes(b"sec")
    assert dataset.load() == {"model.tflite": b"second"}
    dataset.save({})
    assert dataset.exists()
    assert dataset.load() == {}


def test_a_folder_that_cannot_be_made_or_read_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "taken").write_bytes(b"")
    for name, wrong in (("taken", OutputNotWritten), ("absent", ResultMissing)):
        dataset = FolderDataset(filepath=str(tmp_path / name))
        with pytest.raises(DatasetError) as error:
            dataset.save({}) if name == "taken" else dataset.load()
        assert isinstance(reason(error), wrong)
