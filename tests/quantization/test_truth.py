"""Each scheme against TensorFlow's public converter, tensor by tensor, over architectures."""

from __future__ import annotations

import numpy as np
import pytest
from tests.quantization.architectures import architecture
from tests.quantization.facts import facts

from quantline.quantization import tensorflow_backend, weights_only
from quantline.tflite import Runtime, float_operators, read

INTEGER = (
    "conv", "depthwise", "residual", "concatenation", "squeeze_and_excite", "swish", "hard_swish",
    "unrolled_lstm", "fused_lstm", "two_ports", "transposed", "attention", "embedding",
)  # fmt: skip
WEIGHTS_ONLY = (*INTEGER, "looped_lstm", "batch_matmul", "tied", "odd_weights")
# What TensorFlow's 16x8 quantizer has no form for.
NOT_16X8 = {
    "hard_swish": "HARD_SWISH",
    "fused_lstm": "UNIDIRECTIONAL_SEQUENCE_LSTM",
    "attention": "NEG",
    "embedding": "min/max",
}


def ours(name: str, scheme: str, io_type: str) -> bytes:
    """The back end's model, from the stock calibrator's ranges of the float model's own tensors."""
    model = architecture(name)
    bounds = {tensor.index: (tensor.min, tensor.max) for tensor in model.stock_ranges().tensors}
    return tensorflow_backend.quantize(model.float_tflite, bounds, scheme, io_type, io_type)


@pytest.mark.parametrize("name", INTEGER)
@pytest.mark.parametrize("scheme", ["int8", "int8_per_tensor", "int8_float_fallback"])
def test_from_the_same_ranges_every_tensor_equals_the_public_converters(
    name: str, scheme: str
) -> None:
    io_type = "float32" if scheme == "int8_float_fallback" else "int8"
    got, expected = ours(name, scheme, io_type), architecture(name).public(scheme)
    assert facts(got) == facts(expected)
    assert outputs(name, got) == outputs(name, expected)


@pytest.mark.parametrize("name", sorted(set(INTEGER) - set(NOT_16X8)))
def test_int16x8_equals_the_public_converters(name: str) -> None:
    got, expected = ours(name, "int16x8", "int16"), architecture(name).public("int16x8")
    assert facts(got) == facts(expected)
    assert facts(ours(name, "int16x8", "float32")) == facts(
        architecture(name).public("int16x8", "float32")
    )


@pytest.mark.parametrize("name", NOT_16X8)
def test_what_has_no_int16x8_form_is_refused_as_the_public_converter_refuses_it(name: str) -> None:
    from quantline.errors import ConversionError

    with pytest.raises(ConversionError, match=NOT_16X8[name]):
        ours(name, "int16x8", "float32")
    with pytest.raises(RuntimeError, match=NOT_16X8[name]):
        architecture(name).public("int16x8")


@pytest.mark.parametrize("name", sorted(set(WEIGHTS_ONLY) - {"fused_lstm", "looped_lstm"}))
def test_float16_equals_the_public_converters(name: str) -> None:
    got = weights_only.to_float16(architecture(name).float_tflite)
    assert facts(got) == facts(architecture(name).public("float16"))
    assert outputs(name, got) == outputs(name, architecture(name).public("float16"))


def test_float16_leaves_the_state_of_a_fused_lstm_a_state() -> None:
    """The public converter makes the zeros it starts from a constant, which it need not be."""
    got = weights_only.to_float16(architecture("fused_lstm").float_tflite)
    public = architecture("fused_lstm").public("float16")
    assert outputs("fused_lstm", got) == outputs("fused_lstm", public)
    kinds = [
        sorted(operator.type for operator in read(model).main.operators) for model in (got, public)
    ]
    assert kinds[0] == kinds[1][2:]
    assert kinds[1][:2] == ["DEQUANTIZE", "DEQUANTIZE"]


def test_float16_of_a_loop_computes_what_the_public_converters_does() -> None:
    """There the widened bias is carried around the loop; in the float file it is inside already."""
    got = weights_only.to_float16(architecture("looped_lstm").float_tflite)
    public = architecture("looped_lstm").public("float16")
    assert outputs("looped_lstm", got) == outputs("looped_lstm", public)


@pytest.mark.parametrize("name", WEIGHTS_ONLY)
def test_dynamic_range_equals_the_public_converters(name: str) -> None:
    got = weights_only.to_dynamic_range(architecture(name).float_tflite)
    assert facts(got) == facts(architecture(name).public("dynamic_range"))
    assert outputs(name, got) == outputs(name, architecture(name).public("dynamic_range"))


def test_integer_only_and_with_float_fallback_are_one_call_in_tensorflow() -> None:
    """TensorFlow 2.21 leaves the same operators in float, whether or not it is told that it may."""
    for name in ("conv", "attention"):
        model = architecture(name)
        assert facts(model.public("int8")) == facts(model.public("int8_float_fallback", "int8"))


def test_an_operator_without_an_integer_form_is_named() -> None:
    made = architecture("attention").public("int8")
    assert float_operators(read(made)) == sorted(
        {
            operator.type
            for operator in read(made).main.operators
            if operator.type not in {"QUANTIZE", "DEQUANTIZE"}
            and "float32" in {read(made).main.tensors[index].dtype for index in operator.outputs}
        }
    )


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (-1.0, 1.0),
        (-0.37, 0.91),
        (-2.13, 0.017),
        (1e-6, 3e-5),
        (0.0, 6.0),
        (0.5, 6.0),
        (-3.0, -0.5),
        (-0.1, 2.7),
        (-1e-3, 1e3),
        (-7.3, 0.0),
    ],
)
@pytest.mark.parametrize("scheme", ["int8", "int16x8"])
def test_a_range_gives_the_scale_and_zero_point_of_the_formula(
    low: float, high: float, scheme: str
) -> None:
    """The range is widened to hold zero, and zero is one of the integers."""
    model = architecture("conv")
    bounds = {tensor.index: (tensor.min, tensor.max) for tensor in model.stock_ranges().tensors}
    index = read(model.float_tflite).main.inputs[0]
    bounds[index] = (low, high)
    io_type = "int8" if scheme == "int8" else "int16"
    made = tensorflow_backend.quantize(model.float_tflite, bounds, scheme, io_type, io_type)
    port = Runtime(made).inputs[0]
    scale, zero_point = affine(low, high) if scheme == "int8" else symmetric(low, high)
    assert port.scale == scale
    assert port.zero_point == zero_point


def affine(low: float, high: float) -> tuple[float, int]:
    """Int8: the width in float32, the rest in double; the zero point from the end it suits best."""
    least, most = min(np.float32(low), np.float32(0)), max(np.float32(high), np.float32(0))
    scale = float(most - least) / 255
    shares = float(least) / scale, float(most) / scale
    closer_to_least = 128 + abs(shares[0]) < 127 + abs(shares[1])
    exact = -128 - shares[0] if closer_to_least else 127 - shares[1]
    rounded = np.trunc(exact + np.copysign(0.5, exact))
    return float(np.float32(scale)), int(np.clip(rounded, -128, 127))


def symmetric(low: float, high: float) -> tuple[float, int]:
    """Int16: symmetric around zero, in float32."""
    return float(
        np.float32(max(abs(np.float32(low)), abs(np.float32(high)))) / np.float32(32767)
    ), 0


def outputs(name: str, model: bytes) -> list[bytes]:
    """What a model gives for the architecture's samples, to the bit."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=model, num_threads=1)
    runner = interpreter.get_signature_runner()
    details = runner.get_input_details()
    found = []
    for sample in architecture(name).samples:
        given = {}
        for key, value in sample.items():
            scale, zero_point = details[key]["quantization"]
            stored = np.clip(np.round(value / scale) + zero_point, -127, 127) if scale else value
            given[key] = stored.astype(details[key]["dtype"])
        found += [value.tobytes() for _, value in sorted(runner(**given).items())]
    return found
