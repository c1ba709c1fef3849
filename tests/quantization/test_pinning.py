"""Pinned inputs and outputs come out with the very numbers that firmware has compiled in."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.graphs import convert, convert_named, normal, quantize_here

from quantline import recipe
from quantline.errors import ParameterError, PinDoesNotFit
from quantline.quantization import litert_backend, quantize
from quantline.quiet import tensorflow
from quantline.ranges import record
from quantline.tflite import Runtime, read

if TYPE_CHECKING:
    from pathlib import Path

    from quantline.ranges import RangeSet

SAMPLES = np.random.default_rng(2).uniform(0, 1, (16, 8, 8, 3)).astype(np.float32)
INPUT, OUTPUT = "x", "Identity"
SCHEMES = [
    ("int8", "int8", "tensorflow"), ("int8", "uint8", "tensorflow"),
    ("int8_per_tensor", "int8", "tensorflow"), ("int16x8", "int16", "tensorflow"),
    ("int8", "int8", "litert"), ("int8", "uint8", "litert"), ("int16x8", "int16", "litert"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    quantize_here(monkeypatch)


def conv(x: Any) -> Any:
    return tensorflow().nn.conv2d(x, normal(3, 3, 3, 8), 1, "SAME") + normal(8)


def logits(x: Any) -> Any:
    tf = tensorflow()
    hidden = tf.nn.relu(conv(x))
    return tf.matmul(tf.reduce_mean(hidden, (1, 2)), normal(8, 4)) + normal(4)


def flat(x: Any) -> Any:
    return tensorflow().reshape(x, (1, -1))


# What stands between the port and what gives it its scale.
EDGES = {
    "nothing": logits,
    "reshape first": lambda x: logits(tensorflow().reshape(x, (1, 8, 8, 3))),
    "pad first": lambda x: logits(tensorflow().pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]])),
    "max pool first": lambda x: logits(tensorflow().nn.max_pool2d(x, 2, 2, "VALID")),
    "average pool first": lambda x: logits(tensorflow().nn.avg_pool2d(x, 2, 2, "VALID")),
    "reshape last": lambda x: flat(conv(x)),
    "transpose last": lambda x: tensorflow().transpose(conv(x), (0, 3, 1, 2)),
    "reshape and transpose last": lambda x: tensorflow().transpose(
        tensorflow().reshape(conv(x), (1, 64, 8)), (0, 2, 1)
    ),
    "max pool last": lambda x: tensorflow().nn.max_pool2d(conv(x), 2, 2, "VALID"),
    "slice last": lambda x: conv(x)[:, 1:5, 1:5, :],
    "resize last": lambda x: tensorflow().compat.v1.image.resize_bilinear(conv(x), (16, 16)),
    "concatenation last": lambda x: tensorflow().concat([conv(x), conv(x) * 2.0], -1),
}


@cache
def model_of(name: str) -> bytes:
    shape = (1, 192) if name == "reshape first" else (1, 8, 8, 3)
    return convert(EDGES[name], shape)


@cache
def ranges_of(name: str) -> RangeSet:
    return record(model_of(name), samples_of(name))


def samples_of(name: str) -> np.ndarray:
    return SAMPLES.reshape(16, -1) if name == "reshape first" else SAMPLES


def pins(name: str, kind: str) -> dict[str, recipe.Pin]:
    """Return pins wider than what was recorded, off any number that would be chosen."""
    output = read(model_of(name)).main.outputs[0]
    (seen,) = (tensor for tensor in ranges_of(name).tensors if tensor.index == output)
    if kind == "int16":
        largest = max(-seen.min, seen.max)
        return {
            INPUT: recipe.Pin(scale=1.25 / 32767),
            OUTPUT: recipe.Pin(scale=1.3 * largest / 32767),
        }
    lowest = -128 if kind == "int8" else 0
    scale = 1.4 * (seen.max - seen.min) / 255
    return {
        INPUT: recipe.Pin(scale=1 / 200, zero_point=lowest),
        OUTPUT: recipe.Pin(scale=scale, zero_point=lowest + round(-seen.min / scale) + 20),
    }


def far(model: bytes, quantized: bytes, samples: Any) -> float:
    """The largest difference, as a share of the largest output."""
    one, other = Runtime(model), Runtime(quantized)
    want, have = (np.stack([item.predict(x) for x in samples]) for item in (one, other))
    return float(np.abs(have - want).max() / np.abs(want).max())


@pytest.mark.parametrize("pinned", [[INPUT], [OUTPUT], [INPUT, OUTPUT]])
@pytest.mark.parametrize(("scheme", "kind", "backend"), SCHEMES)
@pytest.mark.parametrize("name", EDGES)
def test_they_come_out_as_they_were_pinned(
    name: str, scheme: Any, kind: Any, backend: Any, pinned: list[str]
) -> None:
    if backend == "litert" and not litert_backend.is_installed():
        pytest.skip("litert-quantizer is not installed")
    model, samples = model_of(name), samples_of(name)
    every = pins(name, kind)
    conversion = recipe.Conversion(
        scheme=scheme,
        backend=backend,
        input_type=kind,
        output_type=kind,
        pinned={index: every[index] for index in pinned},
    )
    made = quantize(model, ranges_of(name), conversion)
    runtime = Runtime(made.content)
    for port, place in ((runtime.inputs[0], INPUT), (runtime.outputs[0], OUTPUT)):
        if place in pinned:
            assert port.scale == float(np.float32(every[place].scale))
            assert port.zero_point == every[place].zero_point
            assert port.dtype == np.dtype(kind)
    assert far(model, made.content, samples) < 0.05
    assert made.recipe["pinned"] == {index: vars(every[index]) for index in pinned}


def test_what_is_pinned_to_what_would_be_chosen_changes_nothing() -> None:
    model, ranges = model_of("nothing"), ranges_of("nothing")
    plain = quantize(model, ranges, recipe.Conversion()).content
    ports = (Runtime(plain).inputs[0], Runtime(plain).outputs[0])
    pinned = {
        name: recipe.Pin(scale=port.scale, zero_point=port.zero_point)
        for name, port in zip((INPUT, OUTPUT), ports, strict=True)
    }
    made = quantize(model, ranges, recipe.Conversion(pinned=pinned)).content
    for sample in SAMPLES:
        assert np.array_equal(Runtime(made).predict(sample), Runtime(plain).predict(sample))


def test_two_pins_that_differ_in_the_last_bit_stay_apart() -> None:
    model = convert(lambda x: tensorflow().nn.relu(x) * 1.0 + 0.0 * x, (1, 4))
    samples = np.random.default_rng(0).uniform(0, 1, (8, 4)).astype(np.float32)
    first = np.float32(1 / 200)
    second = np.nextafter(first, np.float32(1))
    names = [read(model).main.tensors[index].name for index in (
        *read(model).main.inputs, *read(model).main.outputs)]  # fmt: skip
    pinned = {
        name: recipe.Pin(scale=float(scale), zero_point=-128)
        for name, scale in zip(names, (first, second), strict=True)
    }
    made = quantize(model, record(model, samples), recipe.Conversion(pinned=pinned))
    runtime = Runtime(made.content)
    assert (runtime.inputs[0].scale, runtime.outputs[0].scale) == (float(first), float(second))


@pytest.mark.parametrize(("kind", "lowest"), [("int8", -128), ("uint8", 0)])
def test_a_range_that_does_not_fit_is_refused_with_how_far(kind: Any, lowest: int) -> None:
    model, ranges = model_of("nothing"), ranges_of("nothing")
    (seen,) = (tensor for tensor in ranges.tensors if tensor.index == 0)
    scale, zero_point = 0.5 / 255, lowest + 51
    pinned = {INPUT: recipe.Pin(scale=scale, zero_point=zero_point)}
    conversion = recipe.Conversion(pinned=pinned, input_type=kind, output_type=kind)
    with pytest.raises(PinDoesNotFit) as caught:
        quantize(model, ranges, conversion)
    beyond = seen.max - scale * 204
    assert caught.value.what == (
        f"The recorded range of '{INPUT}' does not fit its pinned scale and zero point"
    )
    assert f"from {seen.min:.6g} to {seen.max:.6g}, {beyond:.3g}" in caught.value.found
    assert f"({beyond / scale:.1f} steps) beyond" in caught.value.found
    assert "values from -0.1 to 0.4," in caught.value.expected
    assert f"scale {scale:.9g} and zero point {zero_point}" in caught.value.expected


@pytest.mark.parametrize(("share", "fits"), [(0.4, True), (0.6, False)])
def test_half_a_step_beyond_is_rounding(share: float, fits: bool) -> None:
    """A value up to half a step beyond the end is stored as the end, with no more error."""
    model, ranges = model_of("nothing"), ranges_of("nothing")
    (seen,) = (tensor for tensor in ranges.tensors if tensor.index == 0)
    pinned = {INPUT: recipe.Pin(scale=seen.max / (255 + share), zero_point=-128)}
    if fits:
        quantize(model, ranges, recipe.Conversion(pinned=pinned))
    else:
        with pytest.raises(PinDoesNotFit, match="does not fit"):
            quantize(model, ranges, recipe.Conversion(pinned=pinned))


def test_an_average_fits_only_where_what_is_averaged_does() -> None:
    """Both have one scale: what the output does not need would be clipped before it is averaged."""
    model = convert(lambda x: tensorflow().nn.avg_pool2d(conv(x), 4, 4, "VALID"), (1, 8, 8, 3))
    ranges = record(model, SAMPLES)
    by_index = {tensor.index: tensor for tensor in ranges.tensors}
    main = read(model).main
    (pool,) = (operator for operator in main.operators if operator.type == "AVERAGE_POOL_2D")
    given, taken = by_index[pool.inputs[0]], by_index[pool.outputs[0]]
    assert given.max > taken.max
    narrow, wide = (
        recipe.Pin(scale=max(-array.min, array.max) / 127, zero_point=0) for array in (taken, given)
    )
    with pytest.raises(PinDoesNotFit) as caught:
        quantize(model, ranges, recipe.Conversion(pinned={OUTPUT: narrow}))
    assert f"tensor {given.index} '{given.name}'" in caught.value.found
    made = quantize(model, ranges, recipe.Conversion(pinned={OUTPUT: wide}))
    assert Runtime(made.content).outputs[0].scale == float(np.float32(wide.scale))


@pytest.mark.parametrize("kind", ["softmax", "sigmoid", "tanh"])
def test_what_the_specification_fixes_is_not_pinned_otherwise(kind: str) -> None:
    tf = tensorflow()
    last, scale, point = {"softmax": (tf.nn.softmax, 1 / 256, -128),
                          "sigmoid": (tf.sigmoid, 1 / 256, -128),
                          "tanh": (tf.tanh, 1 / 128, 0)}[kind]  # fmt: skip
    model = convert(lambda x: last(logits(x)), (1, 8, 8, 3))
    ranges = record(model, SAMPLES)
    other = recipe.Pin(scale=1.25 * scale, zero_point=point)
    with pytest.raises(PinDoesNotFit, match="gives 'Identity' another scale") as caught:
        quantize(model, ranges, recipe.Conversion(pinned={OUTPUT: other}))
    assert caught.value.found == f"scale {scale:.9g}, zero point {point}"
    assert "specification fixes" in caught.value.remedy
    same = recipe.Pin(scale=scale, zero_point=point)
    made = quantize(model, ranges, recipe.Conversion(pinned={OUTPUT: same}))
    assert Runtime(made.content).outputs[0].scale == scale


class TestMistakes:
    PIN = recipe.Pin(scale=0.005, zero_point=-128)

    def refused(self, model: bytes, samples: Any, conversion: recipe.Conversion) -> ParameterError:
        with pytest.raises(ParameterError) as caught:
            quantize(model, record(model, samples), conversion)
        return caught.value

    def test_a_name_that_is_no_port(self) -> None:
        conversion = recipe.Conversion(pinned={"identity": self.PIN})
        error = self.refused(model_of("nothing"), SAMPLES, conversion)
        assert error.what.startswith("'identity' in `pinned` is no input or output")
        assert error.expected == "one of x, Identity"
        assert error.remedy == "Did you mean 'Identity'?"

    @pytest.mark.parametrize(("name", "side"), [(INPUT, "input_type"), (OUTPUT, "output_type")])
    def test_a_float_port(self, name: str, side: str) -> None:
        conversion = recipe.Conversion(pinned={name: self.PIN}, **{side: "float32"})
        error = self.refused(model_of("nothing"), SAMPLES, conversion)
        assert error.what == f"'{name}' is pinned, but is not an integer"
        assert error.found == "the type float32"

    @pytest.mark.parametrize(
        ("scheme", "kind", "point", "expected"),
        [("int8", "int8", 128, "from -128 to 127"), ("int8", "int8", -129, "from -128 to 127"),
         ("int8", "uint8", -1, "from 0 to 255"), ("int16x8", "int16", 1, "0, as int16")],
    )  # fmt: skip
    def test_a_zero_point_that_the_type_does_not_have(
        self, scheme: Any, kind: Any, point: int, expected: str
    ) -> None:
        pin = recipe.Pin(scale=0.005, zero_point=point)
        conversion = recipe.Conversion(
            scheme=scheme, input_type=kind, output_type=kind, pinned={INPUT: pin}
        )
        error = self.refused(model_of("nothing"), SAMPLES, conversion)
        assert error.found == f"{point}"
        assert error.expected.startswith(expected)

    def test_an_input_of_whole_numbers(self, tf: Any) -> None:
        model = convert(
            lambda i: tf.gather(normal(50, 8), i) * 2.0, tf.TensorSpec((1, 6), tf.int32, "tokens")
        )
        tokens = np.zeros((4, 6), np.int32)
        error = self.refused(model, tokens, recipe.Conversion(pinned={"tokens": self.PIN}))
        assert error.what == "'tokens' is pinned, but is no real number in the float model"
        assert error.found == "the type int32"


def test_two_inputs_are_pinned_by_the_names_of_the_signature(tmp_path: Path) -> None:
    def function(right: Any, left: Any) -> dict[str, Any]:
        tf = tensorflow()
        return {"scores": tf.matmul(left, normal(6, 4)) + tf.matmul(right, normal(5, 4))}

    model = convert_named(tmp_path / "m", function, {"right": (1, 5), "left": (1, 6)})
    rng = np.random.default_rng(4)
    samples = [{"left": rng.uniform(0, 1, 6), "right": rng.uniform(-8, 8, 5)} for _ in range(12)]
    pinned = {
        "left": recipe.Pin(scale=1 / 180, zero_point=-128),
        "right": recipe.Pin(scale=1 / 12, zero_point=7),
        "scores": recipe.Pin(scale=1.5, zero_point=-3),
    }
    ranges = record(model, samples)
    made = quantize(model, ranges, recipe.Conversion(pinned=pinned))
    graph = read(model)
    runtime = Runtime(made.content)
    names = {index: name for name, index in graph.signatures[0].inputs.items()}
    for port, index in zip(runtime.inputs, graph.main.inputs, strict=True):
        wanted = pinned[names[index]]
        assert (port.scale, port.zero_point) == (float(np.float32(wanted.scale)), wanted.zero_point)
    assert (runtime.outputs[0].scale, runtime.outputs[0].zero_point) == (1.5, -3)
    with pytest.raises(ParameterError, match="'rigth'") as caught:
        quantize(model, ranges, recipe.Conversion(pinned={"rigth": pinned["right"]}))
    assert caught.value.remedy == "Did you mean 'right'?"
