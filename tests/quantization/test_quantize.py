"""The engine: schemes, back ends, what it refuses, and int8 against the specification."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.conftest import public_quantize
from tests.quantization.architectures import architecture
from tests.quantization.facts import facts

from quantline import recipe
from quantline.errors import BackendUnavailable, MismatchError, ModelUnsupported
from quantline.quantization import backends, litert_backend, quantize, tensorflow_backend
from quantline.quantization.schemes import SCHEMES
from quantline.ranges import record
from quantline.tflite import Runtime, read

MODELS = ("plain", "depthwise", "residual")


_MADE: dict[Any, bytes] = {}


def ours(model: Any, input_type: Any = "int8", output_type: Any = "int8") -> bytes:
    """Record and quantize, once a session for each model and interface."""
    key = (id(model), input_type, output_type)
    if key not in _MADE:
        conversion = recipe.Conversion(input_type=input_type, output_type=output_type)
        ranges = record(model.float_tflite, model.samples)
        _MADE[key] = quantize(model.float_tflite, ranges, conversion).content
    return _MADE[key]


@pytest.mark.parametrize("name", ["plain", "depthwise"])
def test_from_recorded_ranges_it_equals_the_public_converter_but_for_float_rounding(
    name: str, request: pytest.FixtureRequest
) -> None:
    """XNNPACK's float kernels and the calibrator's differ in the last bit of some activations."""
    model = request.getfixturevalue(name)
    got, expected = read(ours(model)).main, read(model.int8_tflite).main
    assert [operator.type for operator in got.operators] == [
        operator.type for operator in expected.operators
    ]
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
    (given,) = (tensor for tensor in ranges.tensors if tensor.index == 0)
    low, high = min(given.min, 0.0), max(given.max, 0.0)
    scale = (high - low) / 255
    port = Runtime(ours(plain)).inputs[0]
    assert port.scale == pytest.approx(scale, rel=1e-6)
    assert port.zero_point == round(-128 - low / scale)


def test_the_recipe_says_how_it_was_made(plain: Any) -> None:
    ranges = record(plain.float_tflite, plain.samples, samples_sha256="ab")
    first = quantize(plain.float_tflite, ranges, recipe.Conversion())
    assert first.recipe["size_bytes"] == len(first.content)
    assert first.recipe["samples"] == len(plain.samples)
    assert first.recipe["samples_sha256"] == ["ab"]
    assert first.recipe["input_type"] == "int8"
    assert first.recipe["scheme"] == "int8"
    assert first.recipe["backend"] == "tensorflow"
    assert first.recipe["left_in_float"] == []


def test_the_same_model_comes_out_in_the_same_bytes() -> None:
    """An unrolled LSTM has splits, of which TensorFlow's quantizer makes one thing or another."""
    model = architecture("unrolled_lstm")
    made = [
        quantize(model.float_tflite, model.stock_ranges(), recipe.Conversion()) for _ in range(3)
    ]
    assert made[0] == made[1] == made[2]
    assert made[0].recipe["left_in_float"] == []


def test_ranges_of_another_model_are_refused(plain: Any, depthwise: Any) -> None:
    ranges = record(depthwise.float_tflite, depthwise.samples)
    with pytest.raises(MismatchError, match="not those of this float model"):
        quantize(plain.float_tflite, ranges, recipe.Conversion())


def test_ranges_with_a_gap_are_refused(plain: Any) -> None:
    """TensorFlow's quantizer would make a range up, and say nothing."""
    ranges = record(plain.float_tflite, plain.samples)
    with pytest.raises(MismatchError, match="1 tensors without a range"):
        quantize(
            plain.float_tflite, replace(ranges, tensors=ranges.tensors[1:]), recipe.Conversion()
        )


@pytest.mark.parametrize("change", [{"index": 10_000}, {"name": "another"}])
def test_ranges_of_tensors_that_the_model_does_not_have_are_refused(
    plain: Any, change: dict[str, Any]
) -> None:
    ranges = record(plain.float_tflite, plain.samples)
    strange = replace(ranges.tensors[-1], **change)
    with pytest.raises(MismatchError, match="name tensors that the float model does not have"):
        quantize(
            plain.float_tflite,
            replace(ranges, tensors=(*ranges.tensors[:-1], strange)),
            recipe.Conversion(),
        )


@pytest.mark.parametrize("scheme", ["int8", "int8_float_fallback", "int8_per_tensor", "int16x8"])
def test_integer_activations_need_ranges(plain: Any, scheme: Any) -> None:
    io_type = SCHEMES[scheme].io_types[0]
    conversion = recipe.Conversion(scheme=scheme, input_type=io_type, output_type=io_type)
    with pytest.raises(MismatchError, match="needs recorded ranges"):
        quantize(plain.float_tflite, None, conversion)


@pytest.mark.parametrize(("scheme", "public"), [("float16", None), ("dynamic_range", None)])
def test_float_activations_need_none(plain: Any, scheme: Any, public: None) -> None:
    conversion = recipe.Conversion(scheme=scheme, input_type="float32", output_type="float32")
    made = quantize(plain.float_tflite, None, conversion)
    assert made.recipe["scheme"] == scheme
    assert made.recipe["samples"] == 0
    runtime = Runtime(made.content)
    np.testing.assert_allclose(runtime.predict(plain.samples[0])[0], plain()[0], atol=0.02)


@pytest.mark.parametrize(
    ("scheme", "io_type", "expected"),
    [("float16", "int8", "float32"), ("dynamic_range", "uint8", "float32"),
     ("int16x8", "int8", "int16"), ("int8", "int16", "int8")],
)  # fmt: skip
@pytest.mark.parametrize("backend", ["tensorflow", "litert"])
def test_a_scheme_is_refused_inputs_that_it_does_not_have(
    plain: Any, scheme: Any, io_type: Any, expected: str, backend: Any
) -> None:
    conversion = recipe.Conversion(scheme=scheme, backend=backend, input_type=io_type)
    with pytest.raises(ModelUnsupported) as error:
        quantize(plain.float_tflite, None, conversion)
    assert f"has no {io_type} inputs" in error.value.what
    assert f"`input_type='{expected}'`" in error.value.remedy


@pytest.mark.parametrize("name", ["two_ports", "concatenation", "squeeze_and_excite"])
def test_int16x8_in_a_fresh_process_is_that_of_a_long_one(name: str) -> None:
    """TensorFlow's older quantizer reads the model where Python once had it."""
    model = architecture(name)
    ranges = record(model.float_tflite, model.samples)
    bounds = {tensor.index: (tensor.min, tensor.max) for tensor in ranges.tensors}
    made = quantize(model.float_tflite, ranges, recipe.Conversion(scheme="int16x8")).content
    expected = tensorflow_backend.quantize(model.float_tflite, bounds, "int16x8", "int16", "int16")
    assert facts(made) == facts(expected)


def test_operators_left_in_float_are_named(sine: Any, caplog: pytest.LogCaptureFixture) -> None:
    ranges = record(sine.float_tflite, sine.samples)
    made = quantize(sine.float_tflite, ranges, recipe.Conversion(scheme="int8_float_fallback"))
    assert made.recipe["left_in_float"] == ["SIN"]
    assert "leaves these operators in float: SIN" in caplog.text


class TestWithoutThePrivateCalls:
    """A TensorFlow of the future: its private names are gone."""

    @pytest.fixture(autouse=True)
    def _gone(self, monkeypatch: pytest.MonkeyPatch, tf: Any) -> None:
        from tensorflow.lite.python import convert

        def here(function: Any, *arguments: Any, **settings: Any) -> Any:
            return function(*arguments)

        monkeypatch.delattr(convert, "mlir_quantize")
        # A child process would have them again.
        monkeypatch.setattr(backends, "run_in_child", here)

    def test_the_public_converter_stands_in(
        self, plain: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        ranges = record(plain.float_tflite, plain.samples)
        source = recipe.Model(path=str(plain.file))
        made = quantize(plain.float_tflite, ranges, recipe.Conversion(), plain.samples, source)
        assert made.recipe["backend"] == "tensorflow"
        assert made.recipe["quantizer"] == "TFLiteConverter"
        assert f"public converter makes the model instead, from '{plain.file}'" in caplog.text
        assert facts(made.content) == facts(plain.int8_tflite)

    @pytest.mark.parametrize("scheme", ["int8_per_tensor", "int16x8", "int8_float_fallback"])
    def test_it_knows_the_other_schemes(self, scheme: Any) -> None:
        model = architecture("two_ports")
        values = {"scheme": scheme, "input_type": None, "output_type": None}
        made = quantize(
            model.float_tflite,
            replace(model.stock_ranges(), samples=1),
            recipe.Conversion.model_validate(values),
            model.samples,
            recipe.Model(path=str(model.saved_model)),
        )
        natural = "int8" if scheme == "int8_float_fallback" else None
        assert facts(made.content) == facts(model.public(scheme, natural))

    @pytest.mark.parametrize(
        "values",
        [
            {"ranges": {"method": "mse"}},
            {"ranges": {"overrides": [{"tensor": ".*", "min": -1.0, "max": 1.0}]}},
        ],
        ids=["another method", "overrides"],
    )
    def test_what_it_does_not_know_is_left_to_litert(self, plain: Any, values: Any) -> None:
        ranges = record(plain.float_tflite, plain.samples)
        conversion = recipe.Conversion.model_validate(values)
        source = recipe.Model(path=str(plain.file))
        made = quantize(plain.float_tflite, ranges, conversion, plain.samples, source)
        assert made.recipe["backend"] == "litert"

    def test_litert_stands_in(self, plain: Any, caplog: pytest.LogCaptureFixture) -> None:
        ranges = record(plain.float_tflite, plain.samples)
        made = quantize(plain.float_tflite, ranges, recipe.Conversion())
        assert made.recipe["backend"] == "litert"
        assert "litert-quantizer makes the model instead" in caplog.text
        runtime = Runtime(made.content)
        assert runtime.inputs[0].dtype == np.int8
        np.testing.assert_allclose(runtime.predict(plain.samples[0])[0], plain()[0], atol=0.05)

    def test_without_it_the_error_names_both(
        self, plain: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(litert_backend, "is_installed", lambda: False)
        ranges = record(plain.float_tflite, plain.samples)
        with pytest.raises(BackendUnavailable) as error:
            quantize(plain.float_tflite, ranges, recipe.Conversion())
        assert "Install TensorFlow 2.21" in error.value.remedy
        assert "quantline[litert]" in error.value.remedy


@pytest.mark.parametrize("backend", ["tensorflow", "litert"])
def test_what_the_specification_fixes_stays_fixed_whatever_is_chosen(
    plain: Any, backend: str
) -> None:
    """A softmax has scale 1/256 and zero point -128 in int8."""
    if backend == "litert":
        pytest.importorskip("litert_quantizer")
    values = {"backend": backend, "ranges": {"method": "percentile", "percentile": 60.0}}
    ranges = record(plain.float_tflite, plain.samples)
    conversion = recipe.check(recipe.Conversion, values)
    main = read(quantize(plain.float_tflite, ranges, conversion).content).main
    given = main.tensors[main.outputs[0]].quantization
    assert given is not None
    assert (given.scales, given.zero_points) == ((1 / 256,), (-128,))
    clipped = main.tensors[main.inputs[0]].quantization
    assert clipped is not None
    assert clipped.scales[0] < 0.5 * float(np.ptp(plain.samples)) / 255
