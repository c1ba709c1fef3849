"""Range sets as JSON, and samples that only look like the model's input."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.conftest import public_convert
from tests.ranges.sketches import sketch_of

from quantline.errors import DataError, ResultMissing
from quantline.files import canonical_json
from quantline.ranges import RangeSet, TensorRange, record

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Trained

SOME = RangeSet(
    tensors=(TensorRange(0, "input", -1.0, 1.0), TensorRange(7, "é", 0.0, 6.0)),
    samples=3,
    float_model_sha256="ab",
    samples_sha256=(),
    versions={"numpy": "2"},
)


def test_ranges_survive_json() -> None:
    assert RangeSet.from_dict(json.loads(canonical_json(SOME.to_dict()))) == SOME


def test_recorded_extremes_survive_json_to_the_last_bit(plain: Trained) -> None:
    ranges = record(plain.float_tflite, plain.samples)
    again = RangeSet.from_dict(json.loads(canonical_json(ranges.to_dict())))
    for array, other in zip(ranges.tensors, again.tensors, strict=True):
        assert (np.float32(array.min), np.float32(array.max)) == (other.min, other.max)


@pytest.mark.parametrize("name", ["tensors", "samples", "float_model_sha256"])
def test_a_missing_part_is_an_error(name: str) -> None:
    values = SOME.to_dict()
    del values[name]
    with pytest.raises(ResultMissing, match=name):
        RangeSet.from_dict(values)


@pytest.mark.parametrize(
    "change", [{"more": 1}, {"tensors": [{"index": 0}]}, {"tensors": [3]}, {"tensors": None}]
)
def test_other_values_are_an_error(change: dict[str, Any]) -> None:
    with pytest.raises(ResultMissing, match="Record the ranges again"):
        RangeSet.from_dict({**SOME.to_dict(), **change})


def test_what_they_were_made_from_may_stand_beside() -> None:
    assert RangeSet.from_dict({**SOME.to_dict(), "made_from": {"inputs": {}}}) == SOME


def changed(**values: Any) -> dict[str, Any]:
    """The set with other values of its second tensor."""
    whole = SOME.to_dict()
    first, second = whole["tensors"]
    return {**whole, "tensors": [first, {**second, **values}]}


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([], "a list of 0 at the top level"),
        (None, "null at the top level"),
        ({**SOME.to_dict(), "samples": 0}, "0 at 'samples'"),
        ({**SOME.to_dict(), "samples": True}, "true at 'samples'"),
        ({**SOME.to_dict(), "versions": ["2"]}, "a list of 1 at 'versions'"),
        ({**SOME.to_dict(), "float_model_sha256": 3}, "3 at 'float_model_sha256'"),
        ({**SOME.to_dict(), "tensors": SOME.to_dict()["tensors"] * 2}, "at the top level"),
        (changed(index=-1), "-1 at 'tensors.1.index'"),
        (changed(index=0), "at the top level"),  # twice the same
        (changed(name=7), "7 at 'tensors.1.name'"),
        (changed(min=float("nan")), "nan at 'tensors.1.min'"),
        (changed(min=7.0), "at 'tensors.1'"),  # above the largest
        (changed(max=1e39), "1e+39 at 'tensors.1.max'"),  # float32 has no such number
        (changed(max=None), "at 'tensors.1'"),
        (changed(count=-1), "-1 at 'tensors.1.count'"),
        (changed(nan=10**400), "at 'tensors.1.nan'"),
        (changed(sum_min="1/0"), "'1/0' at 'tensors.1.sum_min'"),
        (changed(sum_min="1e999999999"), "'1e999999999' at 'tensors.1.sum_min'"),
        (changed(sum_max="9" * 1_000_000), "at 'tensors.1.sum_max'"),
        (changed(sum_max="1"), "at 'tensors.1': sums of extremes"),  # of no samples
        (changed(sketch="AAA"), "at 'tensors.1': "),
        (
            changed(sketch=sketch_of(np.float32([7])).to_text()),
            "at 'tensors.1': a sketch of values",
        ),
        (changed(sketch=None), "null at 'tensors.1.sketch'"),
    ],
    ids=range(23),
)
def test_what_cannot_have_been_recorded_is_refused(values: Any, found: str) -> None:
    with pytest.raises(ResultMissing) as caught:
        RangeSet.from_dict(values)
    assert found in caught.value.found
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("content", [b"[" * 100_000, b"\xff", b'{"a": 1, "a": 1}', b"{}"])
def test_a_file_of_something_else_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "ranges.json").write_bytes(content)
    with pytest.raises(ResultMissing, match=r"ranges\.json' cannot be read"):
        RangeSet.load(tmp_path / "ranges.json")


def test_ranges_of_all_samples_are_the_extremes_of_the_parts(plain: Trained) -> None:
    whole = record(plain.float_tflite, plain.samples)
    parts = [record(plain.float_tflite, half) for half in np.split(plain.samples, 2)]
    for array, first, second in zip(whole.tensors, *(part.tensors for part in parts), strict=True):
        assert array.min == min(first.min, second.min)
        assert array.max == max(first.max, second.max)


def test_the_batch_dimension_may_be_there(plain: Trained) -> None:
    with_batch = record(plain.float_tflite, plain.samples[:4, np.newaxis])
    assert with_batch == record(plain.float_tflite, plain.samples[:4])


@pytest.mark.parametrize("axes", [(2, 0, 1), (1, 2, 0)])
def test_a_sample_with_its_axes_in_another_order_is_an_error(
    plain: Trained, axes: tuple[int, ...]
) -> None:
    """It has as many values as the input, and would be read as a scrambled image."""
    with pytest.raises(DataError, match="Sample 1") as caught:
        record(plain.float_tflite, [plain.samples[0], plain.samples[1].transpose(axes)])
    assert caught.value.expected == "(10, 10, 3)"


@pytest.mark.parametrize("position", [0, 7, 15])
def test_one_sample_that_is_not_finite_is_enough(plain: Trained, position: int) -> None:
    samples = plain.samples.copy()
    samples[position, 0, 0, 0] = np.nan
    ranges = record(plain.float_tflite, samples)
    given = ranges.tensors[0]
    assert (given.nan, given.inf, given.count) == (1, 0, samples.size)
    assert (given.min, given.max) == (np.nanmin(samples), np.nanmax(samples))
    with pytest.raises(DataError):
        ranges.check_finite()


def test_weights_that_are_not_finite_are_found(
    keras: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    model = keras.Sequential([keras.Input((4,), 1, name="x"), keras.layers.Dense(2, name="scores")])
    model.get_layer("scores").set_weights([np.full((4, 2), np.nan), np.zeros(2)])
    path = tmp_path_factory.mktemp("nan") / "saved_model"
    model.export(path, verbose=False)
    with pytest.raises(DataError, match="the model's weights") as caught:
        record(public_convert(path), np.ones((3, 4), np.float32)).check_finite()
    assert caught.value.found.startswith("1 tensors")  # the input is finite
