"""Corrected biases against what the models give, and against TensorFlow's own convolutions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.graphs import convert, normal, quantize_here

from quantline import recipe
from quantline.quantization import litert_backend, quantize, tensorflow_backend
from quantline.quantization.bias_correction import _mean_output, correct_biases, mean_inputs
from quantline.quiet import tensorflow
from quantline.ranges import choose, record
from quantline.tflite import Model, Runtime, read
from quantline.tflite.edit import pack
from quantline.tflite.graph import parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from quantline.ranges import Values

IMAGES = np.abs(normal(24, 9, 11, 6))  # their mean is far from 0


@dataclass(frozen=True)
class Layer:
    """A layer with its weights, in TensorFlow's order of dimensions."""

    weights: np.ndarray
    apply: Callable[[Any, Any], Any]
    samples: np.ndarray = field(default_factory=lambda: IMAGES)
    groups: int = 1
    bias: bool = True

    def __call__(self, x: Any) -> Any:
        given = self.apply(x, self.weights)
        return given + normal(int(given.shape[-1])) if self.bias else given


def _conv(stride: int, padding: str, dilation: int, taken: int = 6, given: int = 8) -> Layer:
    def apply(x: Any, weights: Any) -> Any:
        return tensorflow().nn.conv2d(x, weights, stride, padding, dilations=dilation)

    return Layer(normal(3, 3, taken, given), apply, groups=6 // taken)


def _depthwise(multiplier: int, stride: int, padding: str, dilation: int = 1) -> Layer:
    def apply(x: Any, weights: Any) -> Any:
        strides, dilations = [1, stride, stride, 1], [dilation, dilation]
        return tensorflow().nn.depthwise_conv2d(x, weights, strides, padding, dilations=dilations)

    return Layer(normal(3, 3, 6, multiplier), apply)


def _dense(*shape: int, bias: bool = True) -> Layer:
    def apply(x: Any, weights: Any) -> Any:
        return tensorflow().matmul(x, weights)

    return Layer(normal(20, 7), apply, np.abs(normal(24, *shape, 20)), bias=bias)


LAYERS = {
    "conv, same": _conv(1, "SAME", 1),
    "conv, valid": _conv(1, "VALID", 1),
    "conv, same, stride 2": _conv(2, "SAME", 1),
    "conv, valid, stride 2": _conv(2, "VALID", 1),
    "conv, valid, stride 3": _conv(3, "VALID", 1),
    "conv, same, dilated": _conv(1, "SAME", 2),
    "conv, valid, dilated": _conv(1, "VALID", 3),
    "grouped conv": _conv(1, "SAME", 1, taken=3),
    "grouped conv, stride 2": _conv(2, "SAME", 1, taken=2, given=9),
    "depthwise": _depthwise(1, 1, "SAME"),
    "depthwise, multiplier 2": _depthwise(2, 2, "SAME"),
    "depthwise, multiplier 3, valid": _depthwise(3, 1, "VALID"),
    "depthwise, dilated": _depthwise(1, 1, "VALID", 2),
    "dense": _dense(),
    "dense, 3-D": _dense(5),
    "dense, 4-D": _dense(3, 2),
}


def build(layer: Layer) -> tuple[bytes, list[Values]]:
    model = convert(layer, (1, *layer.samples.shape[1:]))
    return model, [(sample[np.newaxis],) for sample in layer.samples]


def make(
    model: bytes,
    samples: Any,
    scheme: str = "int8",
    io_type: str = "int8",
    backend: Any = tensorflow_backend,
) -> bytes:
    bounds = choose(record(model, samples), recipe.Ranges())
    return backend.quantize(model, bounds, scheme, io_type, io_type)


def outputs(model: bytes, samples: np.ndarray) -> np.ndarray:
    runtime = Runtime(model)
    return np.concatenate([runtime.predict(sample) for sample in samples]).astype(np.float64)


def corrected_biases(model: bytes, quantized: bytes, values: Any) -> tuple[bytes, int]:
    float_model = Model(model)
    means = mean_inputs(float_model, values)
    corrected, count = correct_biases(float_model, Model(quantized), means)
    return corrected.content, count


def mean_error(model: bytes, quantized: bytes, samples: np.ndarray) -> float:
    """The mean output error of each channel, in size, averaged over channels."""
    error = outputs(quantized, samples) - outputs(model, samples)
    return float(np.abs(error.mean(axis=tuple(range(error.ndim - 1)))).mean())


@pytest.mark.parametrize("name", LAYERS)
def test_the_mean_output_comes_back(name: str) -> None:
    layer = LAYERS[name]
    model, values = build(layer)
    quantized = make(model, layer.samples)
    corrected, count = corrected_biases(model, quantized, values)
    assert count == 1
    before, after = (mean_error(model, item, layer.samples) for item in (quantized, corrected))
    assert after < 0.5 * before
    # What is left is the rounding of activations, which a mean over many values makes small.
    assert after < 0.1 * Runtime(quantized).outputs[0].scale


@pytest.mark.parametrize(
    ("scheme", "io_type", "backend"),
    [("int8", "uint8", tensorflow_backend), ("int8", "float32", tensorflow_backend),
     ("int8_per_tensor", "int8", tensorflow_backend), ("int16x8", "int16", tensorflow_backend),
     ("int16x8", "float32", tensorflow_backend), ("int8", "int8", litert_backend),
     ("int8", "uint8", litert_backend), ("int16x8", "int16", litert_backend)],
)  # fmt: skip
@pytest.mark.parametrize("name", ["conv, same, stride 2", "depthwise, multiplier 2", "dense"])
def test_under_every_integer_scheme_and_interface(
    name: str, scheme: str, io_type: str, backend: Any
) -> None:
    if backend is litert_backend and not litert_backend.is_installed():
        pytest.skip("litert-quantizer is not installed")
    layer = LAYERS[name]
    model, values = build(layer)
    quantized = make(model, layer.samples, scheme, io_type, backend)
    corrected, count = corrected_biases(model, quantized, values)
    assert count == 1
    before, after = (mean_error(model, item, layer.samples) for item in (quantized, corrected))
    assert after < (0.05 if scheme == "int16x8" else 0.6) * before
    dtypes = [[tensor.dtype for tensor in read(x).main.tensors] for x in (quantized, corrected)]
    assert dtypes[0] == dtypes[1]
    assert ("int64" if scheme == "int16x8" else "int32") in dtypes[1]


@pytest.mark.parametrize("name", LAYERS)
def test_the_formula_is_tensorflows_layer_of_the_mean_input(name: str) -> None:
    layer = LAYERS[name]
    model, values = build(layer)
    (operator,) = (
        other
        for other in read(model).main.operators
        if other.type in {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}
    )
    (mean,) = mean_inputs(Model(model), values).values()
    expected_mean = layer.samples.astype(np.float64).mean(axis=0, keepdims=True)
    np.testing.assert_allclose(mean.reshape(expected_mean.shape), expected_mean, rtol=1e-6)
    error = np.random.default_rng(1).normal(0, 0.01, layer.weights.shape)
    got = _mean_output(operator, mean, _stored(error, operator.type))
    parts = [
        np.asarray(layer.apply(part, weights))
        for part, weights in zip(
            np.split(expected_mean, layer.groups, axis=-1),
            np.split(error, layer.groups, axis=-1) if layer.groups > 1 else [error],
            strict=True,
        )
    ]
    expected = np.concatenate(parts, axis=-1)
    expected = expected.mean(axis=tuple(range(expected.ndim - 1)))
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-9)


def _stored(weights: np.ndarray, kind: str) -> np.ndarray:
    """Return weights in TensorFlow Lite's order of dimensions."""
    if kind == "CONV_2D":
        return weights.transpose(3, 0, 1, 2)
    return weights.T if kind == "FULLY_CONNECTED" else weights.reshape(1, *weights.shape[:2], -1)


def test_layers_that_share_a_bias_are_corrected_apart() -> None:
    """Equal constants are stored once; the layers' weights meet the channels in other orders."""
    weights, bias = normal(3, 3, 6, 8), normal(8)
    samples = IMAGES * np.float32([0, 0.1, 0.5, 1, 2, 4])

    def both(x: Any) -> Any:
        tf = tensorflow()
        one = tf.nn.conv2d(x, weights, 1, "SAME") + bias
        other = tf.nn.conv2d(x, weights[:, :, ::-1], 1, "SAME") + bias
        return tf.concat([one, other], -1)

    model = convert(both, (1, *samples.shape[1:]))
    quantized = make(model, samples)
    convs = [operator for operator in read(quantized).main.operators if operator.type == "CONV_2D"]
    shared = {parse(quantized).subgraphs[0].tensors[conv.inputs[2]].buffer for conv in convs}
    assert len(convs) == 2
    assert len(shared) == 1
    values = [(sample[np.newaxis],) for sample in samples]
    corrected, count = corrected_biases(model, quantized, values)
    assert count == 2
    error = outputs(corrected, samples) - outputs(model, samples)
    step = Runtime(corrected).outputs[0].scale
    assert np.abs(error.mean(axis=(0, 1, 2))).max() < 0.1 * step
    one, other = (read(corrected).main.tensors[conv.inputs[2]].values() for conv in convs)
    assert not np.array_equal(one, other)


def test_layers_without_a_bias_are_left_as_they_are() -> None:
    layer = _dense(bias=False)
    model, values = build(layer)
    quantized = make(model, layer.samples)
    corrected, count = corrected_biases(model, quantized, values)
    assert count == 0
    assert np.array_equal(outputs(corrected, layer.samples), outputs(quantized, layer.samples))


def test_a_model_without_layers_has_nothing_to_correct() -> None:
    samples = normal(8, 5)
    model = convert(lambda x: tensorflow().nn.relu(x) * 2.0, (1, 5))
    assert mean_inputs(Model(model), [(sample[np.newaxis],) for sample in samples]) == {}
    assert correct_biases(Model(model), Model(make(model, samples)), {})[1] == 0


def test_layers_of_one_name_cannot_be_told_apart_and_are_left() -> None:
    def two(x: Any) -> Any:
        tf = tensorflow()
        hidden = tf.nn.conv2d(x, normal(3, 3, 6, 8), 1, "SAME") + normal(8)
        return tf.nn.conv2d(hidden, normal(1, 1, 8, 4), 1, "SAME") + normal(4)

    model = convert(two, (1, *IMAGES.shape[1:]))
    quantized = make(model, IMAGES)
    values = [(image[np.newaxis],) for image in IMAGES]
    assert corrected_biases(model, quantized, values)[1] == 2
    model, quantized = (_all_named(item, b"same") for item in (model, quantized))
    assert corrected_biases(model, quantized, values)[1] == 0


def _all_named(model: bytes, name: bytes) -> bytes:
    edited = parse(model)
    for tensor in edited.subgraphs[0].tensors:
        tensor.name = name
    return pack(edited, len(model))


class TestKeptOnlyWhereItHelps:
    """Through the engine, which holds every second sample back."""

    CONVERSION = recipe.Conversion(bias_correction=True)

    @pytest.fixture(autouse=True)
    def _here(self, monkeypatch: pytest.MonkeyPatch) -> None:
        quantize_here(monkeypatch)

    def test_it_helps(self) -> None:
        layer = LAYERS["conv, same"]
        model, _ = build(layer)
        ranges = record(model, layer.samples)
        made = quantize(model, ranges, self.CONVERSION, layer.samples)
        plain = quantize(model, ranges, recipe.Conversion())
        assert made.recipe["corrected_layers"] == 1
        assert plain.recipe["corrected_layers"] == 0
        assert abs(len(made.content) - len(plain.content)) <= 16  # the old biases are gone
        assert plain.recipe["search"] is None
        best, other = made.recipe["search"]["trials"]
        assert (best["bias_correction"], other["bias_correction"]) == (True, False)
        assert best["noise"] < other["noise"]
        assert best["is_better"]
        errors = [mean_error(model, item.content, layer.samples) for item in (made, plain)]
        assert errors[0] < 0.5 * errors[1]

    def test_it_does_harm(self) -> None:
        """What is held back has the opposite mean of what the correction was fitted on."""
        layer = LAYERS["dense"]
        model, _ = build(layer)
        samples = layer.samples.copy()
        samples[1::2] *= -1
        ranges = record(model, samples)
        made = quantize(model, ranges, self.CONVERSION, samples)
        assert made.recipe["corrected_layers"] == 0
        best, other = made.recipe["search"]["trials"]
        assert (best["bias_correction"], other["bias_correction"]) == (False, True)
        assert best["noise"] < other["noise"]
        assert (best["method"], made.recipe["method"]) == ("minmax", "minmax")
        assert made.content == quantize(model, ranges, recipe.Conversion()).content

    def test_it_changes_nothing(self) -> None:
        layer = _dense(bias=False)
        model, _ = build(layer)
        made = quantize(model, record(model, layer.samples), self.CONVERSION, layer.samples)
        assert made.recipe["corrected_layers"] == 0
        (only,) = made.recipe["search"]["trials"]
        assert only["bias_correction"] is False
