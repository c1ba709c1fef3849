"""One range for two tensors."""

from __future__ import annotations

from quantline.ranges import RangeSet, TensorRange, with_joined_ranges

SOME = RangeSet(
    tensors=(
        TensorRange(0, "state", -1.0, 1.0, samples=3),
        TensorRange(7, "state_next", 0.0, 6.0, samples=3),
        TensorRange(9, "other", -5.0, 5.0, samples=3),
    ),
    samples=3,
    float_model_sha256="ab",
    samples_sha256=(),
    versions={"numpy": "2"},
)


def test_what_is_handed_on_has_one_range() -> None:
    found = with_joined_ranges(SOME, {0: 7, 3: 9})
    assert [(tensor.index, tensor.name, tensor.min, tensor.max) for tensor in found.tensors] == [
        (0, "state", -1.0, 6.0),
        (7, "state_next", -1.0, 6.0),
        (9, "other", -5.0, 5.0),
    ]
    assert found.samples == SOME.samples


def test_a_tensor_that_is_handed_on_itself_stays() -> None:
    assert with_joined_ranges(SOME, {9: 9}) == SOME
