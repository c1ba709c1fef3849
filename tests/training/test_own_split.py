"""The training split as a function of the user's gets it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from quantline import recipe
from quantline.errors import DataError, QuantlineError
from quantline.training.own_split import OwnSplit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_classes_get_the_offset(dataset: Callable[..., recipe.Dataset]) -> None:
    found = OwnSplit.open(dataset(label_offset=1), "train.npz").as_dataset()
    images, labels = next(iter(found.batch(200)))
    assert images.shape == (96, 8, 8, 1)
    assert labels.dtype.name == "int64"
    assert set(labels.numpy()) == {1, 2}
    assert len(found) == 96


def test_labels_of_any_shape_and_none(dataset: Callable[..., recipe.Dataset]) -> None:
    masks = np.zeros((96, 4, 4), np.uint8)
    split = OwnSplit.open(dataset(y=masks), "train.npz")
    assert split.as_dataset().element_spec[1].shape == (4, 4)
    plain = OwnSplit.open(dataset(y=None), "train.npz")
    assert not plain.has_labels
    assert plain.as_dataset().element_spec.shape == (8, 8, 1)


def test_several_inputs_are_a_mapping(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "two.npz", user=np.arange(9, dtype=np.int32)[:, None],
        item=np.zeros((9, 3), np.float32), y=np.arange(9) / 2,
    )  # fmt: skip
    data = recipe.Dataset(source="npz", data_dir=str(tmp_path), npz=recipe.Npz(x=["user", "item"]))
    split = OwnSplit.open(data, "two.npz")
    x, label = next(iter(split.as_dataset().batch(9)))
    assert {name: value.dtype.name for name, value in x.items()} == {
        "user": "int32", "item": "float32",
    }  # fmt: skip
    assert label.dtype.name == "float64"
    split.write(tmp_path)
    assert np.load(tmp_path / "x.user.npy").shape == (9, 1)
    assert np.load(tmp_path / "y.npy")[-1] == 4
    split.refuse_other_inputs({"user": (1, 1), "item": (1, 3)}, "my.keras")
    with pytest.raises(QuantlineError, match="do not fit the model that is retrained"):
        split.refuse_other_inputs({"user": (1, 1), "item": (1, 4)}, "my.keras")
    with pytest.raises(DataError, match="not those of the inputs"):
        split.refuse_other_inputs({"user": (1, 1)}, "my.keras")


def test_an_empty_split(dataset: Callable[..., recipe.Dataset]) -> None:
    with pytest.raises(DataError, match="is empty"):
        OwnSplit.open(dataset(), "train.npz[5:5]")
    with pytest.raises(DataError, match="`training_split` cannot be used"):
        OwnSplit.open(dataset(), "no.npz")
