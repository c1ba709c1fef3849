"""Recorded ranges against numpy and against TensorFlow's own calibrator."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.conftest import calibrated

from quantline.errors import DataError, ModelUnsupported
from quantline.files import canonical_json, sha256
from quantline.ranges import RangeSet, record
from quantline.tflite import read


@pytest.mark.parametrize("name", ["plain", "depthwise"])
def test_they_equal_tensorflows_calibrator(name: str, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(name)
    expected = calibrated(model.float_tflite, model.samples)
    got = {
        tensor.index: (tensor.min, tensor.max)
        for tensor in record(model.float_tflite, model.samples).tensors
    }
    assert set(got) == set(expected)
    for index, extremes in expected.items():
        assert got[index] == pytest.approx(extremes, rel=1e-5, abs=1e-6)


def test_they_equal_numpy_over_the_layers_outputs(keras: Any, plain: Any) -> None:
    names = ("second", "pool", "scores", "probabilities")
    inner = keras.Model(plain.keras.inputs, [plain.keras.get_layer(name).output for name in names])
    ranges = record(plain.float_tflite, plain.samples).tensors
    for output in inner([plain.samples]):
        low, high = float(np.min(output)), float(np.max(output))
        assert any(
            tensor_range.min == pytest.approx(low, abs=1e-5)
            and tensor_range.max == pytest.approx(high, abs=1e-5)
            for tensor_range in ranges
        )
    (given,) = (tensor_range for tensor_range in ranges if tensor_range.index == 0)
    assert (given.min, given.max) == (plain.samples.min(), plain.samples.max())


def test_a_tensor_that_is_overwritten_in_place_keeps_its_own_range(
    keras: Any, residual: Any
) -> None:
    """TensorFlow's calibrator reads it when the sum has been written over it."""
    adding = next(layer for layer in residual.keras.layers if layer.name.startswith("add"))
    term = keras.Model(residual.keras.inputs, adding.input[1])([residual.samples])
    (add,) = (
        operator
        for operator in read(residual.float_tflite).main.operators
        if operator.type == "ADD"
    )
    recorded = {
        tensor.index: tensor for tensor in record(residual.float_tflite, residual.samples).tensors
    }
    got, total = recorded[add.inputs[1]], recorded[add.outputs[0]]
    assert got.max == pytest.approx(float(np.max(term)), abs=1e-5)
    assert got.min == pytest.approx(float(np.min(term)), abs=1e-5)
    stock = calibrated(residual.float_tflite, residual.samples)
    assert stock[add.inputs[1]][1] == pytest.approx(total.max, abs=1e-5)
    assert total.max > got.max + 0.1


def test_they_carry_their_provenance_through_json(plain: Any) -> None:
    import json

    ranges = record(plain.float_tflite, plain.samples, samples_sha256="cd")
    assert ranges.samples == len(plain.samples)
    assert ranges.float_model_sha256 == sha256(plain.float_tflite)
    assert ranges.samples_sha256 == ("cd",)
    assert RangeSet.from_dict(json.loads(canonical_json(ranges.to_dict()))) == ranges


def test_samples_are_taken_one_at_a_time(plain: Any) -> None:
    ranges = record(plain.float_tflite, (sample for sample in plain.samples))
    assert ranges == record(plain.float_tflite, plain.samples)


def test_what_cannot_be_recorded(plain: Any) -> None:
    with pytest.raises(DataError):
        record(plain.float_tflite, [])
    with pytest.raises(DataError, match="Sample 0"):
        record(plain.float_tflite, np.zeros((1, 5, 5, 3), np.float32))
    for value in (np.nan, np.inf):
        with pytest.raises(DataError, match="NaN or infinite"):
            record(plain.float_tflite, np.full((1, 10, 10, 3), value, np.float32)).check_finite()
    with pytest.raises(ModelUnsupported, match="no float activation"):
        record(plain.int8_tflite, plain.samples)


def test_control_flow_is_refused_with_its_name(tf: Any) -> None:
    @tf.function(input_signature=[tf.TensorSpec((1, 4), tf.float32)])
    def double_until_large(x: Any) -> Any:
        return tf.while_loop(lambda y: tf.reduce_sum(y) < 100.0, lambda y: y * 2.0 + 1.0, [x])[0]

    function = double_until_large.get_concrete_function()
    content = bytes(tf.lite.TFLiteConverter.from_concrete_functions([function]).convert())
    with pytest.raises(ModelUnsupported, match="WHILE"):
        record(content, np.ones((1, 4), np.float32))
