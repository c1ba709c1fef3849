"""Int8 against TensorFlow's public converter, and against the specification."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.conftest import calibrated, public_quantize

from quantline import recipe
from quantline.errors import RangesMismatch
from quantline.quantization import quantize
from quantline.ranges import TensorRange, record
from quantline.tflite import Runtime, read

if TYPE_CHECKING:
    from quantline.tflite import Graph

MODELS = ("plain", "depthwise", "residual")


def ours(model: Any, input_type: Any = "int8", output_type: Any = "int8") -> bytes:
    conversion = recipe.Conversion(input_type=input_type, output_type=output_type)
    ranges = record(model.float_tflite, model.samples)
    return quantize(model.float_tflite, ranges, conversion).content


def facts(graph: Graph) -> list[Any]:
    """Everything that a conversion decides: operators, types, scales, zero points, constants."""
    main = graph.main
    return [
        (
            operator.type,
            operator.version,
            [
                (
                    tensor.dtype,
                    tensor.shape,
                    tensor.quantization,
                    None if tensor.constant is None else tensor.constant.tobytes(),
                )
                for tensor in (main.tensors[i] for i in (*operator.inputs, *operator.outputs))
            ],
        )
        for operator in main.operators
    ]


@pytest.mark.parametrize("name", MODELS)
def test_from_the_same_ranges_every_tensor_equals_the_public_converters(
    name: str, request: pytest.FixtureRequest
) -> None:
    """The private calls do what the public converter does, to the last bit."""
    model = request.getfixturevalue(name)
    ranges = record(model.float_tflite, model.samples)
    stock = calibrated(model.float_tflite, model.samples)
    tensors = tuple(
        TensorRange(each.index, each.name, *stock[each.index]) for each in ranges.tensors
    )
    made = quantize(model.float_tflite, replace(ranges, tensors=tensors), recipe.Conversion())
    got, expected = facts(read(made.content)), facts(read(model.int8_tflite))
    assert [each[0] for each in got] == [each[0] for each in expected]
    assert got == expected


@pytest.mark.parametrize("name", ["plain", "depthwise"])
def test_from_recorded_ranges_it_equals_the_public_converter_but_for_float_rounding(
    name: str, request: pytest.FixtureRequest
) -> None:
    """XNNPACK's float kernels and the calibrator's differ in the last bit of some activations."""
    model = request.getfixturevalue(name)
    got, expected = read(ours(model)).main, read(model.int8_tflite).main
    assert [each.type for each in got.operators] == [each.type for each in expected.operators]
    for mine, theirs in zip(got.operators, expected.operators, strict=True):
        for i, j in zip(
            (*mine.inputs, *mine.outputs), (*theirs.inputs, *theirs.outputs), strict=True
        ):
            if i < 0:
                continue
            tensor, other = got.tensors[i], expected.tensors[j]
            assert (tensor.dtype, tensor.shape) == (other.dtype, other.shape)
            if tensor.quantization is not None:
                assert other.quantization is not None
                assert tensor.quantization.zero_points == other.quantization.zero_points
                np.testing.assert_allclose(
                    tensor.quantization.scales, other.quantization.scales, rtol=1e-5
                )
            if tensor.constant is not None:
                step = int(tensor.dtype == "int32" and tensor.quantization is not None)
                assert np.abs(tensor.values().astype(np.int64) - other.values()).max() <= step


@pytest.mark.parametrize(("given", "taken"), [("uint8", "float32"), ("float32", "uint8")])
def test_other_interfaces_equal_the_public_converter_too(
    plain: Any, given: str, taken: str
) -> None:
    expected = public_quantize(plain.saved_model, plain.samples, given, taken)
    runtime = Runtime(ours(plain, given, taken))
    assert runtime.inputs[0].dtype == np.dtype(given)
    assert runtime.outputs[0].dtype == np.dtype(taken)
    stock = Runtime(expected)
    for sample in plain.samples:
        assert np.array_equal(runtime.predict(sample), stock.predict(sample))


@pytest.mark.parametrize("name", MODELS)
def test_weights_and_activations_are_as_the_specification_has_them(
    name: str, request: pytest.FixtureRequest
) -> None:
    main = read(ours(request.getfixturevalue(name))).main
    per_axis = 0
    for operator in main.operators:
        if operator.type not in {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}:
            continue
        given, weights = (main.tensors[index] for index in operator.inputs[:2])
        assert weights.dtype == "int8"
        assert np.abs(weights.values().astype(int)).max() <= 127
        assert set(weights.quantization.zero_points) == {0}
        axis = {"DEPTHWISE_CONV_2D": 3}.get(operator.type, 0)
        assert weights.quantization.axis == axis
        assert len(weights.quantization.scales) == weights.shape[axis]
        per_axis += len(weights.quantization.scales) > 1
        if operator.inputs[2] < 0:
            continue
        bias = main.tensors[operator.inputs[2]]
        assert bias.dtype == "int32"
        np.testing.assert_allclose(
            bias.quantization.scales,
            np.float32(given.quantization.scales[0]) * np.float32(weights.quantization.scales),
            rtol=1e-6,
        )
    assert per_axis


def test_a_range_gives_the_scale_and_zero_point_of_the_formula(plain: Any) -> None:
    ranges = record(plain.float_tflite, plain.samples)
    (given,) = (each for each in ranges.tensors if each.index == 0)
    low, high = min(given.min, 0.0), max(given.max, 0.0)
    scale = (high - low) / 255
    port = Runtime(ours(plain)).inputs[0]
    assert port.scale == pytest.approx(scale, rel=1e-6)
    assert port.zero_point == round(-128 - low / scale)


def test_the_recipe_says_how_it_was_made(plain: Any) -> None:
    ranges = record(plain.float_tflite, plain.samples, samples_sha256="ab")
    first = quantize(plain.float_tflite, ranges, recipe.Conversion())
    again = quantize(plain.float_tflite, ranges, recipe.Conversion())
    assert first == again
    assert first.recipe["size_bytes"] == len(first.content)
    assert first.recipe["samples"] == len(plain.samples)
    assert first.recipe["samples_sha256"] == "ab"
    assert first.recipe["input_type"] == "int8"


def test_ranges_of_another_model_are_refused(plain: Any, depthwise: Any) -> None:
    ranges = record(depthwise.float_tflite, depthwise.samples)
    with pytest.raises(RangesMismatch, match="not those of this float model"):
        quantize(plain.float_tflite, ranges, recipe.Conversion())
