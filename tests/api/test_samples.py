"""The arrays of a file as samples of a model's inputs and of its state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from quantline.api.samples import Samples, choose, open_archive
from quantline.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

FRAMES, HIDDEN, CELL = np.zeros((5, 2, 3)), np.ones((5, 4)), np.full((5, 4), 2)
INPUTS, ONE, TWO = {"frame": (2, 3)}, {"h": (1, 4)}, {"h": (1, 4), "c": (1, 4)}


def _chosen(
    folder: Path, states: dict[str, tuple[int, ...]], arrays: dict[str, np.ndarray]
) -> Samples:
    np.savez(folder / "samples.npz", **arrays)  # numpy's stub
    return choose(open_archive(str(folder / "samples.npz")), INPUTS, states)


def test_an_array_belongs_to_the_state_of_its_name_or_shape(tmp_path: Path) -> None:
    named = _chosen(tmp_path, TWO, {"frame": FRAMES, "c": CELL, "h": HIDDEN})
    np.testing.assert_array_equal(named.arrays["c"], CELL)
    assert not named.fitted
    fitted = _chosen(tmp_path, ONE, {"frame": FRAMES, "before": HIDDEN})
    assert fitted.arrays.keys() == {"frame", "h"}
    assert fitted.fitted == {"h": "before"}
    assert not fitted.ignored
    both = _chosen(tmp_path, ONE, {"anything": FRAMES, "before": HIDDEN})
    np.testing.assert_array_equal(both.arrays["frame"], FRAMES)


@pytest.mark.parametrize(
    ("states", "others"),
    [
        (TWO, {"before": HIDDEN, "after": CELL}),  # which is which
        (TWO, {"h": HIDDEN}),  # a part
        (ONE, {"labels": np.zeros(5)}),  # another shape
        ({}, {"before": HIDDEN}),  # no state
    ],
)
def test_arrays_that_need_not_be_a_state_are_not_used(
    tmp_path: Path, states: dict[str, tuple[int, ...]], others: dict[str, np.ndarray]
) -> None:
    chosen = _chosen(tmp_path, states, {"frame": FRAMES, **others})
    assert chosen.arrays.keys() == {"frame"}
    assert set(chosen.ignored) == others.keys()


def test_the_states_are_named_where_no_array_fits(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="of the state: 'h'"):
        _chosen(tmp_path, TWO, {"anything": FRAMES, "before": HIDDEN, "after": CELL})
