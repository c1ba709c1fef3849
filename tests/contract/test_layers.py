"""Layer errors against numpy on what plain interpreters give, and on layers that were harmed."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from tests.conftest import calibrated, public_convert, public_quantize
from tests.graphs import convert, normal
from tests.quantization.architectures import architecture

from quantline.contract.layers import LayerError, compare_layers
from quantline.contract.noise import sqnr_db
from quantline.errors import DataError, MismatchError
from quantline.quantization import effects, litert_backend, tensorflow_backend
from quantline.quantization.layer_pairs import layer_outputs, pair_layers
from quantline.ranges import record
from quantline.tflite import Runtime, read
from quantline.tflite.edit import pack
from quantline.tflite.graph import parse


def activations(model: bytes, samples: np.ndarray) -> dict[str, np.ndarray]:
    """Run a model on the built-in kernels, keeping every tensor; return real values by name."""
    interpreter = Interpreter(
        model_content=model,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    given = {index for operator in read(model).main.operators for index in operator.outputs}
    details = [detail for detail in interpreter.get_tensor_details() if detail["index"] in given]
    taken = interpreter.get_input_details()[0]
    rows: dict[str, list[np.ndarray]] = {}
    for sample in samples:
        interpreter.set_tensor(taken["index"], stored(taken, sample[np.newaxis]))
        interpreter.invoke()
        for detail in details:
            scale, zero_point = detail["quantization"]
            value = interpreter.get_tensor(detail["index"]).astype(np.float64)
            rows.setdefault(detail["name"], []).append((value - zero_point) * (scale or 1))
    return {name: np.stack(other) for name, other in rows.items()}


def stored(detail: Any, real: np.ndarray) -> np.ndarray:
    scale, zero_point = detail["quantization"]
    if not scale:
        return real
    return np.clip(np.round(real / np.float32(scale)) + zero_point, -128, 127).astype(np.int8)


@pytest.fixture(scope="module")
def plain_errors(plain: Any) -> tuple[LayerError, ...]:
    return compare_layers(plain.float_tflite, plain.int8_tflite, list(plain.samples))


def test_the_figures_are_numpys(plain: Any, plain_errors: tuple[LayerError, ...]) -> None:
    real = activations(plain.float_tflite, plain.samples)
    got = activations(plain.int8_tflite, plain.samples)
    assert {error.name for error in plain_errors} == real.keys() == got.keys()
    tensors = {tensor.name: tensor for tensor in read(plain.int8_tflite).main.tensors}
    for error in plain_errors:
        x, y = real[error.name], got[error.name]
        expected = 10 * math.log10(np.sum(x**2) / np.sum((x - y) ** 2))
        # XNNPACK, which they are measured on, rounds otherwise than the built-in kernels.
        assert error.sqnr_db == pytest.approx(expected, abs=0.6)
        assert error.signal_rms == pytest.approx(np.sqrt(np.mean(x**2)), rel=1e-4)
        assert error.error_rms == pytest.approx(np.sqrt(np.mean((x - y) ** 2)), rel=0.07)
        assert (error.float_min, error.float_max) == pytest.approx((x.min(), x.max()), abs=1e-5)
        quantization = tensors[error.name].quantization
        scale, zero_point = quantization.scales[0], quantization.zero_points[0]
        ends = ((-128 - zero_point) * scale, (127 - zero_point) * scale)
        assert (error.quantized_min, error.quantized_max) == pytest.approx(ends, rel=1e-6)


def test_the_models_output_is_measured_as_it_comes_out(
    plain: Any, plain_errors: tuple[LayerError, ...]
) -> None:
    runtimes = [Runtime(item) for item in (plain.float_tflite, plain.int8_tflite)]
    x, y = (
        np.stack([runtime.predict(sample) for sample in plain.samples]).astype(np.float64)
        for runtime in runtimes
    )
    (error,) = (operator for operator in plain_errors if operator.type == "SOFTMAX")
    expected = 10 * math.log10(np.sum(x**2) / np.sum((x - y) ** 2))
    assert error.sqnr_db == pytest.approx(expected, abs=1e-3)


def test_the_worst_comes_first(plain_errors: tuple[LayerError, ...]) -> None:
    sizes = [error.effect for error in plain_errors]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 0


def test_a_layer_alone_is_given_the_float_models_values(
    plain: Any, plain_errors: tuple[LayerError, ...]
) -> None:
    """The dense layer in numpy: from float inputs, quantized, to float outputs."""
    main = read(plain.int8_tflite).main
    (dense,) = (operator for operator in main.operators if operator.type == "FULLY_CONNECTED")
    source, weights, bias = (main.tensors[index] for index in dense.inputs)
    output = main.tensors[dense.outputs[0]]
    (error,) = (other for other in plain_errors if other.tensor == output.index)
    real = activations(plain.float_tflite, plain.samples)
    rows = real[source.name].reshape(len(plain.samples), -1)

    def rounded(values: np.ndarray, tensor: Any) -> np.ndarray:
        scale, zero_point = tensor.quantization.scales[0], tensor.quantization.zero_points[0]
        whole = np.clip(np.round(values / scale) + zero_point, -128, 127)
        return np.asarray((whole - zero_point) * scale)

    got = rounded(rounded(rows, source) @ weights.real_values().T + bias.real_values(), output)
    x = real[output.name].reshape(got.shape)
    expected = 10 * math.log10(np.sum(x**2) / np.sum((x - got) ** 2))
    assert error.own_sqnr_db == pytest.approx(expected, abs=0.3)


def test_the_first_layer_has_no_error_but_its_own(plain_errors: tuple[LayerError, ...]) -> None:
    (first,) = (error for error in plain_errors if "/first_1/" in error.name)
    assert first.own_sqnr_db == first.sqnr_db


@pytest.mark.parametrize("number", range(4), ids=["conv", "depthwise", "pointwise", "dense"])
def test_a_layer_that_was_harmed_is_the_worst_of_its_own(depthwise: Any, number: int) -> None:
    operators = read(depthwise.int8_tflite).main.operators
    harmed = [operator for operator in operators if len(operator.inputs) == 3][number]
    edited = parse(depthwise.int8_tflite)
    buffer = edited.buffers[edited.subgraphs[0].tensors[harmed.inputs[1]].buffer]
    weights = np.array(buffer.data).view(np.int8)
    weights[weights.size // 2 :] //= 16
    buffer.data = weights.view(np.uint8)
    worse = pack(edited, len(depthwise.int8_tflite))
    samples = list(depthwise.samples)
    before = compare_layers(depthwise.float_tflite, depthwise.int8_tflite, samples)
    after = compare_layers(depthwise.float_tflite, worse, samples)
    own = {item.tensor: item.own_sqnr_db for item in after}
    assert min(own, key=own.__getitem__) == harmed.outputs[0]
    for item in before:
        if item.tensor != harmed.outputs[0]:
            assert own[item.tensor] == item.own_sqnr_db


def test_saturation_is_what_the_float_model_has_beyond_the_range(plain: Any) -> None:
    narrow = public_quantize(plain.saved_model, plain.samples / 2)
    errors = compare_layers(plain.float_tflite, narrow, list(plain.samples))
    real = activations(plain.float_tflite, plain.samples)
    assert max(error.saturated_share for error in errors) > 0.01
    for error in errors:
        assert error.quantized_min is not None
        assert error.quantized_max is not None
        half = (error.quantized_max - error.quantized_min) / 255 / 2
        x = real[error.name]
        expected = np.mean((x < error.quantized_min - half) | (x > error.quantized_max + half))
        assert error.saturated_share == pytest.approx(expected, abs=1 / x.size)


LINKED = {
    "int8": lambda trained: trained.int8_tflite,
    "uint8 interface": lambda trained: public_quantize(
        trained.saved_model, trained.samples, "uint8", "uint8"
    ),
    "float interface": lambda trained: public_quantize(
        trained.saved_model, trained.samples, "float32", "float32"
    ),
    "litert-quantizer": lambda trained: litert_backend.quantize(
        trained.float_tflite,
        calibrated(trained.float_tflite, trained.samples),
        "int8",
        "float32",
        "float32",
    ),
    "dynamic range": lambda trained: public_convert(
        trained.saved_model, optimizations=[_default()]
    ),
}


def _default() -> Any:
    import tensorflow as tf

    return tf.lite.Optimize.DEFAULT


@pytest.mark.parametrize("quantized", LINKED.values(), ids=LINKED)
def test_every_layer_is_linked_whatever_the_interface(depthwise: Any, quantized: Any) -> None:
    errors = compare_layers(depthwise.float_tflite, quantized(depthwise), list(depthwise.samples))
    named = [output.name for output in layer_outputs(read(depthwise.float_tflite))]
    assert sorted(error.name for error in errors) == sorted(named)
    assert min(error.sqnr_db for error in errors) > 15


@pytest.mark.parametrize("scheme", ["int8", "int16x8"])
@pytest.mark.parametrize("name", ["two_ports", "unrolled_lstm", "squeeze_and_excite"])
def test_every_layer_is_linked_whatever_the_architecture(name: str, scheme: str) -> None:
    """Several inputs and outputs, operators of several outputs, branches."""
    built = architecture(name)
    errors = compare_layers(built.float_tflite, built.public(scheme), built.samples)
    assert len(errors) == len(layer_outputs(read(built.float_tflite)))
    # A tensor that was linked to another one's counterpart would be all noise.
    assert min(error.own_sqnr_db for error in errors) > 20


def test_a_layer_that_stayed_float_is_compared_too(sine: Any) -> None:
    errors = compare_layers(sine.float_tflite, sine.int8_tflite, list(sine.samples))
    (found,) = (error for error in errors if error.type == "SIN")
    assert found.dtype == "float32"
    assert (found.quantized_min, found.quantized_max, found.saturated_share) == (None, None, 0)
    assert 20 < found.sqnr_db < found.own_sqnr_db + 20


def test_names_that_are_not_a_layers_alone_are_left_out(plain: Any) -> None:
    before, after = read(plain.float_tflite), read(plain.int8_tflite)
    first, second = (operator.outputs[0] for operator in before.main.operators[:2])
    tensors = list(before.main.tensors)
    tensors[first] = replace(tensors[first], name=tensors[second].name)
    twice = replace(before, subgraphs=(replace(before.main, tensors=tuple(tensors)),))
    left = {item.before.index for item in pair_layers(before, after)} - {
        item.before.index for item in pair_layers(twice, after)
    }
    assert left == {first, second}


def test_a_few_layers_at_a_time_give_the_same(
    depthwise: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = (depthwise.float_tflite, depthwise.int8_tflite, list(depthwise.samples[:4]))
    whole = compare_layers(*arguments)
    for room in (1, 12000):
        monkeypatch.setattr(effects, "_AT_ONCE_BYTES", room)
        assert compare_layers(*arguments) == whole


def test_a_model_and_itself_have_no_noise(plain: Any) -> None:
    errors = compare_layers(plain.float_tflite, plain.float_tflite, list(plain.samples[:2]))
    assert {error.sqnr_db for error in errors} == {math.inf}
    assert errors[0].to_dict()["sqnr_db"] is None


def test_models_that_are_no_pair_are_refused(plain: Any, depthwise: Any) -> None:
    with pytest.raises(MismatchError, match="no layer in common") as caught:
        compare_layers(plain.float_tflite, depthwise.int8_tflite, list(plain.samples))
    assert caught.value.exit_status == 2
    two = architecture("two_ports")
    with pytest.raises(MismatchError, match="other inputs or outputs"):
        compare_layers(plain.float_tflite, two.public("int8"), list(plain.samples))


def test_samples_must_fit(plain: Any) -> None:
    with pytest.raises(DataError):
        compare_layers(plain.float_tflite, plain.int8_tflite, [np.ones((3, 3), np.float32)])


RATIOS = {
    "as loud": (4.0, 4.0, 0.0),
    "a hundred times": (100.0, 1.0, 20.0),
    "half": (1.0, 2.0, -10 * math.log10(2)),
    "no noise": (4.0, 0.0, math.inf),
    "nothing at all": (0.0, 0.0, math.inf),
    "noise alone": (0.0, 1.0, -math.inf),
    "not finite": (math.inf, math.inf, -math.inf),
    "not a number": (math.nan, math.nan, -math.inf),
}


@pytest.mark.parametrize(("signal", "noise", "expected"), RATIOS.values(), ids=RATIOS)
def test_the_ratio(signal: float, noise: float, expected: float) -> None:
    assert sqnr_db(signal, noise) == pytest.approx(expected)


def test_a_model_of_any_batch_is_compared_like_one_of_a_single_sample(plain: Any) -> None:
    any_batch = public_convert(plain.saved_model_any_batch)
    quantized = public_quantize(plain.saved_model_any_batch, plain.samples)
    assert read(any_batch).main.tensors[read(any_batch).main.inputs[0]].shape[0] == -1
    errors = compare_layers(any_batch, quantized, list(plain.samples[:4]))
    assert len(errors) == len(layer_outputs(read(plain.float_tflite)))
    assert min(error.sqnr_db for error in errors) > 15


def test_a_join_shows_the_channels_that_it_lost(tf: Any) -> None:
    """Its ratio alone is that of a sound layer."""
    first, second = normal(16, 4, scale=100.0), normal(16, 8, seed=1, scale=0.25)

    def join(x: Any) -> Any:
        return tf.concat([tf.nn.relu(x @ first), tf.sigmoid(x @ second)], -1)

    model, samples = convert(join, (1, 16)), list(normal(20, 1, 16))
    ranges = record(model, samples)
    bounds = {tensor.index: (tensor.min, tensor.max) for tensor in ranges.tensors}
    quantized = tensorflow_backend.quantize(model, bounds, "int8", "int8", "int8")
    errors = compare_layers(model, quantized, samples)
    (joined,) = (error for error in errors if error.type == "CONCATENATION")
    assert joined.sqnr_db > 40
    assert (joined.channels, joined.constant_channels) == (12, 8)
    assert joined.worst_channel in range(4, 12)
    assert joined.worst_channel_sqnr_db == pytest.approx(0, abs=1)
    assert joined == errors[0]


def test_the_effect_is_what_the_outputs_are_off_by_in_a_model_that_is_float_elsewhere(
    tf: Any,
) -> None:
    """Two layers in numpy: the first one's own error, and the second one in float."""
    first, second = normal(16, 8, scale=0.5), normal(8, 4, seed=1)

    def two(x: Any) -> Any:
        return tf.nn.relu(x @ first) @ second

    model, samples = convert(two, (1, 16)), normal(8, 1, 16)
    bounds = {tensor.index: (tensor.min, tensor.max) for tensor in record(model, samples).tensors}
    quantized = tensorflow_backend.quantize(model, bounds, "int8", "int8", "int8")
    errors = compare_layers(model, quantized, list(samples))
    (hidden,) = (error for error in errors if error.channels == 8)
    tensors = read(quantized).main.tensors

    def rounded(values: np.ndarray, index: int) -> np.ndarray:
        quantization = tensors[index].quantization
        scale, zero_point = quantization.scales[0], quantization.zero_points[0]
        whole = np.clip(np.round(values / scale) + zero_point, -128, 127)
        return np.asarray((whole - zero_point) * scale)

    source, weights = read(quantized).main.operators[0].inputs[:2]
    x = samples[:, 0]
    own = rounded(x, source) @ tensors[weights].real_values().T
    own = rounded(np.maximum(own, 0), hidden.tensor)
    expected = np.maximum(x @ first, 0) @ second
    shares = np.square(own @ second - expected).mean(0) / expected.var(0)
    assert hidden.effect == pytest.approx(np.sqrt(shares.mean()), rel=0.05)
