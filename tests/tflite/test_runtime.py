from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from quantline.errors import ModelUnsupported
from quantline.tflite import Runtime
from quantline.tflite.tensor_io import TensorIO

if TYPE_CHECKING:
    from tests.conftest import Trained


def port(dtype: str, scale: float, zero_point: int) -> TensorIO:
    return TensorIO(0, "x", (1,), np.dtype(dtype), scale, zero_point)


def by_formula(real: float, scale: float, zero_point: int, low: int, high: int) -> int:
    """Round half away from zero and clamp, in exact arithmetic after the float32 division."""
    scaled = Fraction(float(np.float32(real) / np.float32(scale)))
    half_up = int(abs(scaled) + Fraction(1, 2))  # int() cuts off; the argument is not below 0
    return min(max((half_up if scaled >= 0 else -half_up) + zero_point, low), high)


@pytest.mark.parametrize(
    ("dtype", "low", "high"), [("int8", -128, 127), ("uint8", 0, 255), ("int16", -32768, 32767)]
)
@pytest.mark.parametrize(("scale", "zero_point"), [(1.0, 0), (0.5, 3), (1 / 255, -7), (0.1, 12)])
def test_quantize_is_the_formula(
    dtype: str, low: int, high: int, scale: float, zero_point: int
) -> None:
    just_below_half = np.nextafter(np.float32(0.5), np.float32(0)) * np.float32(scale)
    ties = np.arange(-9.5, 10, 1) * scale
    spread = np.random.default_rng(0).normal(0, 100 * scale, 500)
    edges = [0.0, -0.0, 1e9, -1e9, just_below_half, -just_below_half, low * scale, high * scale]
    real = np.concatenate([ties, spread, edges]).astype(np.float32)
    got = port(dtype, scale, zero_point).quantize(real)
    expected = [by_formula(item, scale, zero_point, low, high) for item in real.tolist()]
    assert got.dtype == dtype
    assert got.tolist() == expected


def test_ties_go_away_from_zero() -> None:
    real = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5])
    assert port("int8", 1.0, 0).quantize(real).tolist() == [-3, -2, -1, 1, 2, 3]
    assert port("int8", 1.0, 10).quantize(real).tolist() == [7, 8, 9, 11, 12, 13]


def test_infinite_values_are_clamped() -> None:
    assert port("int8", 0.1, 5).quantize(np.array([-np.inf, np.inf])).tolist() == [-128, 127]


@pytest.mark.parametrize(("dtype", "zero_point"), [("int8", -128), ("int8", 5), ("uint8", 128)])
def test_dequantize_is_the_formula(dtype: str, zero_point: int) -> None:
    limits = np.iinfo(dtype)
    stored = np.arange(limits.min, limits.max + 1).astype(dtype)
    real = port(dtype, 0.25, zero_point).dequantize(stored)
    assert real.dtype == np.float32
    assert real.tolist() == [0.25 * (int(value) - zero_point) for value in stored]


@pytest.mark.parametrize(("scale", "zero_point"), [(0.037, -128), (1 / 256, -128), (2.0, 17)])
def test_what_can_be_stored_comes_back(scale: float, zero_point: int) -> None:
    every = np.arange(-128, 128).astype(np.int8)
    one = port("int8", scale, zero_point)
    np.testing.assert_array_equal(one.quantize(one.dequantize(every)), every)


def test_a_float_port_changes_nothing() -> None:
    real = np.array([0.1, -5.5], np.float32)
    one = port("float32", 0.0, 0)
    np.testing.assert_array_equal(one.quantize(real), real)
    np.testing.assert_array_equal(one.dequantize(real), real)


@pytest.mark.parametrize("name", ["plain", "depthwise", "residual"])
def test_predict_is_what_keras_gives(name: str, request: Any) -> None:
    trained: Trained = request.getfixturevalue(name)
    runtime = Runtime(trained.float_tflite, threads=1)
    got = np.concatenate([runtime.predict(sample) for sample in trained.samples])
    np.testing.assert_allclose(got, trained(), rtol=1e-4, atol=1e-5)


def test_predict_takes_a_sample_with_or_without_its_batch(plain: Trained) -> None:
    runtime = Runtime(plain.float_tflite)
    sample = plain.samples[0]
    np.testing.assert_array_equal(runtime.predict(sample), runtime.predict(sample[np.newaxis]))


def test_an_int8_model_takes_and_gives_real_numbers(depthwise: Trained) -> None:
    """The int8 model's outputs lie within some steps of its scale of the float model's."""
    runtime = Runtime(depthwise.int8_tflite)
    (taken,), (given,) = runtime.inputs, runtime.outputs
    assert (taken.dtype, given.dtype) == (np.int8, np.int8)
    assert (taken.shape, given.shape) == ((1, 12, 12, 3), (1, 5))
    got = np.concatenate([runtime.predict(sample) for sample in depthwise.samples])
    assert got.dtype == np.float32
    assert np.abs(got - depthwise()).max() < 8 * given.scale


def test_ports_are_the_runtime_s_own(depthwise: Trained) -> None:
    from ai_edge_litert.interpreter import Interpreter

    runtime, interpreter = (
        Runtime(depthwise.int8_tflite),
        Interpreter(model_content=depthwise.int8_tflite),
    )
    (detail,) = interpreter.get_input_details()
    (one,) = runtime.inputs
    assert (one.index, one.name) == (detail["index"], detail["name"])
    assert (one.scale, one.zero_point) == detail["quantization"]


def test_outputs_are_copies(plain: Trained) -> None:
    runtime = Runtime(plain.float_tflite)
    runtime.set(plain.samples[:1])
    runtime.invoke()
    (first,) = runtime.get()
    kept = first.copy()
    runtime.set(-plain.samples[1:2])
    runtime.invoke()
    np.testing.assert_array_equal(first, kept)
    assert not np.array_equal(runtime.get()[0], kept)


def test_loading_and_running_say_nothing(plain: Trained, capfd: pytest.CaptureFixture[str]) -> None:
    Runtime(plain.float_tflite).predict(plain.samples[0])
    assert capfd.readouterr() == ("", "")


def test_a_model_with_an_unknown_operator_is_refused(custom_operator: bytes) -> None:
    with pytest.raises(ModelUnsupported, match="custom operators") as caught:
        Runtime(custom_operator)
    assert "Igamma" in caught.value.found
