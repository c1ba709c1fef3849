"""The embedded dataset, against its record files read without TFDS."""

from __future__ import annotations

import hashlib
import io
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from tests.conftest import PROJECT

from quantline import recipe
from quantline.errors import DataError
from quantline.sampling import Source, open_source

if TYPE_CHECKING:
    from pathlib import Path

RAW = PROJECT / "data" / "01_raw"
FOLDER = RAW / "fashion_mnist" / "3.0.1"


def opened(data_dir: Path = RAW, **tfds: Any) -> Source:
    values = {"name": "fashion_mnist", **tfds}
    return open_source(recipe.Dataset(source="tfds", data_dir=str(data_dir), tfds=values))


def stored(tf: Any, split: str, count: int) -> list[tuple[bytes, int]]:
    """Return the first records' encoded images and labels."""
    file = FOLDER / f"fashion_mnist-{split}.tfrecord-00000-of-00001"
    found = []
    for record in islice(tf.data.TFRecordDataset(str(file)).as_numpy_iterator(), count):
        features = tf.train.Example.FromString(record).features.feature
        image, label = features["image"].bytes_list.value[0], features["label"].int64_list.value[0]
        found.append((image, label))
    return found


def test_it_knows_its_name_and_version() -> None:
    assert (opened().name, opened().version) == ("fashion_mnist", "3.0.1")
    assert opened(version="3.0.1").version == "3.0.1"


@pytest.mark.parametrize(
    ("split", "rows"),
    [
        ("train[:10]", slice(0, 10)),
        ("train[3:8]", slice(3, 8)),
        ("test[:5]", slice(0, 5)),
        ("test[:1]+train[:2]", None),
    ],
)
def test_entries_are_the_records_in_their_order(tf: Any, split: str, rows: slice | None) -> None:
    if rows is None:
        expected = [*stored(tf, "test", 1), *stored(tf, "train", 2)]
    else:
        expected = stored(tf, split.partition("[")[0], 10)[rows]
    entries = list(opened().entries(split))
    assert [entry.label for entry in entries] == [label for _, label in expected]
    assert len({entry.id for entry in entries}) == len(expected)


def test_ids_do_not_depend_on_the_slice() -> None:
    whole = [entry.id for entry in opened().entries("train[:10]")]
    parts = [entry.id for name in ("train[:4]", "train[4:10]") for entry in opened().entries(name)]
    assert parts == whole


@pytest.mark.parametrize(
    ("split", "count"),
    [("test", 10_000), ("test[:1%]", 100), ("test[-7:]", 7), ("test[50%:]", 5_000)],
)
def test_split_expressions_are_those_of_tfds(split: str, count: int) -> None:
    assert sum(1 for _ in opened().entries(split)) == count


def test_examples_are_the_chosen_images_decoded(tf: Any) -> None:
    source = opened()
    entries = list(source.entries("train[:10]"))
    chosen = [0, 3, 9]
    found = list(source.examples("train[:10]", {entries[index].id for index in chosen}))
    expected = stored(tf, "train", 10)
    assert [example.id for example in found] == [entries[index].id for index in chosen]
    for example, index in zip(found, chosen, strict=True):
        content, label = expected[index]
        image = np.asarray(Image.open(io.BytesIO(content)))
        assert example.value.dtype == np.uint8
        assert example.value.shape == (28, 28, 1)
        np.testing.assert_array_equal(example.value[..., 0], image)
        assert example.label == label
        assert example.sha256 == hashlib.sha256(content).hexdigest()


def test_a_name_of_no_dataset_is_an_error_with_its_close_match() -> None:
    with pytest.raises(DataError, match="no TFDS dataset 'fashion_minst'") as caught:
        opened(name="fashion_minst")
    assert "'fashion_mnist'" in caught.value.remedy


def test_a_dataset_that_is_not_on_disk_is_an_error_that_downloads_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'mnist' is not prepared on disk") as caught:
        opened(tmp_path, name="mnist")
    assert "no prepared dataset" in caught.value.found
    assert list(tmp_path.iterdir()) == []


def test_what_is_on_disk_instead_is_listed() -> None:
    with pytest.raises(DataError) as caught:
        opened(name="mnist")
    assert "fashion_mnist/3.0.1" in caught.value.found


def test_a_version_that_is_not_on_disk_is_an_error() -> None:
    with pytest.raises(DataError, match=r"fashion_mnist:1\.0\.0"):
        opened(version="1.0.0")


def test_a_data_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not prepared"):
        opened(tmp_path / "none")


@pytest.mark.parametrize(
    "split", ["tests", "train[:10", "train[a:b]", "train[:10%%]", "validation", ""]
)
def test_a_split_that_is_not_there_is_an_error_that_lists_them(split: str) -> None:
    with pytest.raises(DataError, match="does not exist") as caught:
        list(opened().entries(split))
    assert "train" in caught.value.expected
    assert "test" in caught.value.expected


def test_a_misspelt_split_has_its_close_match() -> None:
    with pytest.raises(DataError, match="Did you mean 'test'"):
        list(opened().entries("tests"))


@pytest.mark.parametrize("split", ["train[:0]", "train[5:5]"])
def test_an_empty_split_is_an_error_that_says_so(split: str) -> None:
    with pytest.raises(DataError, match="is empty"):
        list(opened().entries(split))


@pytest.mark.parametrize("parameter", ["input_key", "label_key"])
def test_a_feature_that_is_not_there_is_an_error_that_lists_them(parameter: str) -> None:
    with pytest.raises(DataError, match=parameter) as caught:
        opened(**{parameter: "picture"})
    assert set(caught.value.expected.removeprefix("one of ").split(", ")) == {"image", "label"}


def test_an_image_is_a_mask() -> None:
    source = opened(label_key="image")
    entries = list(source.entries("train[:2]"))
    assert [entry.label for entry in entries] == [None, None]
    for example in source.examples("train[:2]", {entry.id for entry in entries}):
        np.testing.assert_array_equal(example.label, example.value)


def test_another_feature_may_be_the_input(tf: Any) -> None:
    source = opened(input_key="label")
    entries = list(source.entries("train[:3]"))
    found = list(source.examples("train[:3]", {entry.id for entry in entries}))
    labels = [label for _, label in stored(tf, "train", 3)]
    assert [int(example.value) for example in found] == labels
