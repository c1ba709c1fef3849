from __future__ import annotations

import json

import numpy as np
import pytest

from quantline.edgetpu.device.run import compare_outputs, step_of


def rows(*values: list[int], dtype: str = "int8") -> np.ndarray:
    return np.asarray(values, dtype)[:, np.newaxis]


def test_integers_differ_by_whole_steps_across_their_whole_range() -> None:
    found = compare_outputs("y", 0.5, rows([-128, 3, 0], [1, 2, 9]), rows([127, 3, -2], [1, 2, 8]))
    assert found.histogram == {0: 3, 1: 1, 2: 1, 255: 1}
    assert (found.steps_max, found.equal_share) == (255, 0.5)
    assert found.steps_mean == 258 / 6
    assert sum(found.histogram.values()) == 6


def test_floats_are_counted_in_steps_of_what_they_were_made_from() -> None:
    step = 0.1
    cpu = rows([-5, 0, 7], dtype="float32") * np.float32(step)
    device = cpu + np.asarray([0, 1, -3], np.float32) * np.float32(step)
    assert compare_outputs("y", step, device, cpu).histogram == {0: 1, 1: 1, 3: 1}


def test_integers_without_a_scale_are_counted_as_they_are() -> None:
    """Such as the classes of a segmentation's pixels."""
    found = compare_outputs("y", None, rows([3, 4], dtype="int64"), rows([3, 9], dtype="int64"))
    assert (found.step, found.equal_share) == (None, 0.5)


def test_real_numbers_of_which_no_step_is_known_are_not_compared() -> None:
    values = rows([3, 4], dtype="float32")
    assert compare_outputs("y", None, values, values) is None


def test_top_1_is_the_share_of_samples_with_the_same_first_largest_value() -> None:
    device, cpu = rows([1, 5, 5], [9, 0, 0], [0, 0, 1]), rows([1, 5, 4], [0, 9, 0], [0, 1, 1])
    assert compare_outputs("y", 1.0, device, cpu).top1_agreement == 1 / 3


@pytest.mark.parametrize("shape", [(4, 1, 2, 2, 3), (4, 1, 1), (4, 1)])
def test_an_output_that_is_no_row_of_scores_has_no_top_1(shape: tuple[int, ...]) -> None:
    values = np.zeros(shape, np.int8)
    assert compare_outputs("y", 1.0, values, values).top1_agreement is None


def test_one_pixel_of_scores_is_a_row() -> None:
    values = np.zeros((4, 1, 1, 1, 3), np.uint8)
    assert compare_outputs("y", 1.0, values, values).top1_agreement == 1


def test_json() -> None:
    found = compare_outputs("y", 0.5, rows([1, 2]), rows([1, 3])).to_dict()
    assert json.loads(json.dumps(found))["histogram"] == {"0": 1, "1": 1}


def test_the_step_of_an_output(model) -> None:
    """Every quantized tensor of these models has the scale 0.5."""
    given = model.unary("RELU", model.tensor(1, 4))
    real = model.tensor(1, 4, dtype="float32")
    model.add("DEQUANTIZE", [given], [real])
    main = model.graph(given, real).main
    assert (step_of(main, given), step_of(main, real)) == (0.5, 0.5)
