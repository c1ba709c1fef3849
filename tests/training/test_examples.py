"""What cannot be trained on is refused before all of it is read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.training.conftest import SETTINGS

from quantline import recipe
from quantline.errors import (
    DataError,
    QuantlineError,
)
from quantline.sampling import draw
from quantline.training import TrainingSplit, prepare, refuse_other_examples

Y = np.arange(96) % 2
X = np.zeros((96, 8, 8, 1), np.float32)
UNFIT: dict[str, tuple[dict[str, Any], str, type[QuantlineError], str]] = {
    "no file": ({}, "train", DataError, r"`training_split` cannot be used\..*/train'"),
    "empty": ({}, "train.npz[:0]", DataError, r"0 examples, none with a class index"),
    "no labels": ({"y": None}, "train.npz", DataError, r"96 examples, none with a class index"),
    "fractions": ({"y": Y / 2}, "train.npz", DataError, "none with a class index"),
    "one class": ({"y": 0 * Y}, "train.npz", DataError, "labels from 0 to 0, of 96 examples"),
    "negative": ({"y": -Y}, "train.npz", DataError, "labels from -1 to 0"),
    "no classes": ({"y": Y + 10**9}, "train.npz", DataError, "to 1000000001, of 96 examples"),
    "not finite": ({"x": X * np.nan}, "train.npz", DataError, r"train\.npz\[0\]"),
    "no channel": ({"x": X[..., 0]}, "train.npz", DataError, r"\(8, 8\).*expand_dims: -1"),
    "no image": ({"x": X.reshape(96, 64)}, "train.npz", DataError, r"\(64,\)"),
}


@pytest.mark.parametrize(("arrays", "split", "error", "said"), UNFIT.values(), ids=UNFIT)
def test_an_unfit_split_is_refused(
    dataset: Any,
    arrays: dict[str, Any],
    split: str,
    error: type[QuantlineError],
    said: str,
) -> None:
    with pytest.raises(error, match=said) as refused:
        prepare(dataset(**arrays), recipe.Training(**{**SETTINGS, "split": split}))
    assert "sampling" not in refused.value.remedy


def test_a_split_is_what_the_archive_holds(dataset: Any, blobs: Any) -> None:
    split = TrainingSplit.open(dataset(), "train.npz[10:90]")
    assert (split.classes, split.shape) == (2, (8, 8, 1))
    x, y = split.read()
    np.testing.assert_array_equal(x, blobs[0][10:90])
    np.testing.assert_array_equal(y, blobs[1][10:90])


def drawn(dataset: recipe.Dataset) -> tuple[dict[str, Any], np.ndarray]:
    sampling = {"calibration": {"split": "train.npz[:20]"}, "evaluation": {"split": "test.npz"}}
    manifest, calibration = draw(
        dataset,
        recipe.check(
            recipe.Sampling,
            {"seed": 1, **sampling, "calibration": {**sampling["calibration"], "examples": 9}},
        ),
    )
    return manifest, calibration.x


@pytest.mark.parametrize(
    ("shape", "label", "error"),
    [((8, 8, 1), 1, None), ((8, 8, 1), 2, DataError), ((8, 9, 1), 1, DataError)],
    ids=["the same", "another class", "another shape"],
)
def test_the_other_splits_must_be_of_the_same_kind(
    dataset: Any, shape: tuple[int, ...], label: int, error: type[QuantlineError] | None
) -> None:
    given = dataset()
    np.savez(
        f"{given.data_dir}/test.npz", x=np.ones((3, *shape), np.float32), y=np.array([0, 1, label])
    )
    manifest, calibration = drawn(given)
    split = TrainingSplit.open(given, "train.npz")
    if error is None:
        refuse_other_examples(split, split.classes, given, manifest, calibration)
        return
    with pytest.raises(error, match=r"'train\.npz'"):
        refuse_other_examples(split, split.classes, given, manifest, calibration)


def test_a_calibration_set_of_another_shape_is_refused(dataset: Any) -> None:
    given = dataset()
    np.savez(f"{given.data_dir}/test.npz", x=np.ones((3, 8, 8, 1), np.float32), y=[0, 1, 1])
    manifest, calibration = drawn(given)
    split = TrainingSplit.open(given, "train.npz")
    with pytest.raises(DataError, match="the calibration set differ"):
        refuse_other_examples(split, 2, given, manifest, calibration[:, :, :4])
