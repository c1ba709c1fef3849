"""Recorded numbers against numpy on what the model itself gives, for tensors of every kind."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ai_edge_litert.schema_py_generated import BuiltinOperator
from tests.conftest import PROJECT
from tests.graphs import convert, convert_named, normal

from quantline.errors import DataError, ModelUnsupported
from quantline.quiet import tensorflow
from quantline.ranges import RangeSet, record
from quantline.ranges.record import _MOST_BATCH, SKETCH_VALUES
from quantline.ranges.sketch import RELATIVE_WIDTH
from quantline.tflite import Runtime, read, with_outputs
from quantline.tflite.edit import pack
from quantline.tflite.graph import parse

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MANY = _MOST_BATCH + 5  # one whole batch, and one that is not full


def seen_by_numpy(model: bytes, ranges: RangeSet, samples: Any) -> dict[int, np.ndarray]:
    """Return each recorded tensor's values, shape (n_samples, ...), run one sample at a time."""
    indices = [tensor.index for tensor in ranges.tensors]
    runtime = Runtime(with_outputs(model, indices), 1)
    rows = []
    for sample in samples:
        given = sample if isinstance(sample, tuple) else (sample,)
        runtime.set(
            *(np.reshape(value, port.shape).astype(port.dtype)
              for value, port in zip(given, runtime.inputs, strict=True))
        )  # fmt: skip
        runtime.invoke()
        rows.append(runtime.get())
    return {at: np.stack(value) for at, value in zip(indices, zip(*rows, strict=True), strict=True)}


def the_same(model: bytes, ranges: RangeSet, samples: Any) -> None:
    expected = seen_by_numpy(model, ranges, samples)
    for tensor in ranges.tensors:
        values = expected[tensor.index]
        rows = values.reshape(len(values), -1)
        assert (tensor.min, tensor.max) == (values.min(), values.max()), tensor.name
        assert (tensor.samples, tensor.count) == (len(values), values.size)
        assert tensor.average_min == pytest.approx(rows.min(1).mean(dtype=float), rel=1e-12)
        assert tensor.average_max == pytest.approx(rows.max(1).mean(dtype=float), rel=1e-12)
        assert (tensor.nan, tensor.inf) == (0, 0)
        if rows.shape[1] <= SKETCH_VALUES:
            assert tensor.sketch.total == values.size


def _matmul(x: Any) -> Any:
    tf = tensorflow()
    return tf.nn.softmax(tf.matmul(x, normal(6, 4)))


def _shuffled(x: Any) -> Any:
    """Pixel shuffle, whose tensors have six dimensions."""
    tf = tensorflow()
    parts = tf.reshape(x, (1, 4, 4, 2, 2, 3)) * 2.0
    return tf.reshape(tf.transpose(parts, (0, 1, 3, 2, 4, 5)) + 1.0, (1, 8, 8, 3))


def _conv3d(x: Any) -> Any:
    return tensorflow().nn.relu(tensorflow().nn.conv3d(x, normal(3, 3, 3, 2, 4), [1] * 5, "SAME"))


def _turned(x: Any) -> Any:
    """What comes first in the middle is the channel, not the batch."""
    tf = tensorflow()
    turned = tf.nn.softmax(tf.transpose(x, (2, 0, 1)))
    return tf.transpose(turned, (1, 2, 0))


def _cross(x: Any) -> Any:
    """A batch of several samples would give another result than each alone."""
    return x - 0.5 * tensorflow().reduce_mean(x, 0, keepdims=True)


MODELS: dict[str, tuple[Callable[[Any], Any], tuple[int | None, ...]]] = {
    "rank 2": (_matmul, (1, 6)),
    "rank 2, any batch": (_matmul, (None, 6)),
    "rank 1": (lambda x: tensorflow().nn.relu(x) * 2.0, (16,)),
    "rank 3": (lambda x: tensorflow().nn.relu(x) * 2.0, (1, 5, 7)),
    "rank 5": (_conv3d, (1, 4, 5, 6, 2)),
    "rank 6": (_shuffled, (1, 4, 4, 12)),
    "scalar output": (lambda x: tensorflow().reduce_sum(x * 2.0), (1, 6)),
    "scalar output, any batch": (lambda x: tensorflow().reduce_sum(x * 2.0), (None, 6)),
    "batch is not first": (_turned, (1, 5, 7)),
    "batch of 4": (lambda x: tensorflow().nn.relu(x) * 2.0, (4, 6)),
    "stored shape": (lambda x: tensorflow().reshape(x * 2.0, (1, 2, 8)) + 1.0, (1, 16)),
    "stored shape that splits the batch": (
        lambda x: tensorflow().reshape(x * 2.0, (2, 8)) + 1.0,
        (1, 16),
    ),
    "across the batch": (_cross, (1, 6)),
    "across any batch": (_cross, (None, 6)),
}


@pytest.mark.parametrize("count", [1, MANY])
@pytest.mark.parametrize("name", MODELS)
def test_they_equal_numpy(name: str, count: int) -> None:
    function, shape = MODELS[name]
    model = convert(function, shape)
    whole = shape if shape[0] not in {1, None} else shape[1:]
    samples = normal(count, *whole)
    ranges = record(model, samples)
    assert len(ranges.tensors) >= 2
    the_same(model, ranges, samples)


def test_batches_of_small_models_are_not_seen_in_the_result() -> None:
    """Samples come in whole batches, in one that is not full, and in none at all."""
    model = convert(_matmul, (None, 6))
    samples = normal(3 * MANY, 6)
    parts = [record(model, samples[:at]) for at in (_MOST_BATCH - 1,)]
    parts.append(record(model, samples[_MOST_BATCH - 1 :]))
    assert parts[0].merge(parts[1]) == record(model, samples)


def test_two_inputs_are_told_apart_by_name(tmp_path: Path) -> None:
    def function(right: Any, left: Any) -> dict[str, Any]:
        return {"sum": tensorflow().matmul(left, normal(4, 6)) + right}

    model = convert_named(tmp_path / "m", function, {"right": (1, 6), "left": (1, 4)})
    samples = [
        {"left": left, "right": right}
        for left, right in zip(normal(MANY, 4), normal(MANY, 6, scale=9), strict=True)
    ]
    graph = read(model)
    order = [
        next(name for name, at in graph.signatures[0].inputs.items() if at == index)
        for index in graph.main.inputs
    ]
    given = [tuple(sample[name] for name in order) for sample in samples]
    ranges = record(model, samples)
    the_same(model, ranges, given)
    assert record(model, [dict(reversed(sample.items())) for sample in samples]) == ranges


def test_a_scalar_input_is_taken_as_it_is(tf: Any) -> None:
    model = convert(
        lambda x, s: x * s, tf.TensorSpec((1, 4), name="x"), tf.TensorSpec((), name="s")
    )
    pairs = list(zip(normal(MANY, 4), normal(MANY), strict=True))
    ranges = record(model, [{"x": x, "s": s} for x, s in pairs])
    the_same(model, ranges, pairs)


@pytest.mark.parametrize(
    ("shape", "given", "expected"),
    [((16,), (15,), "(16,)"), ((16,), (1, 16), "(16,)"), ((4, 6), (6,), "(4, 6)"),
     ((1, 6), (5,), "(6,)"), ((None, 6), (2, 6), "(6,)")],
)  # fmt: skip
def test_another_shape_is_refused_with_the_shape_that_a_sample_has(
    shape: tuple[int | None, ...], given: tuple[int, ...], expected: str
) -> None:
    model = convert(lambda x: x * 2.0, shape)
    with pytest.raises(DataError) as caught:
        record(model, [np.zeros(given, np.float32)])
    assert (caught.value.found, caught.value.expected) == (f"{given}", expected)


def test_integer_inputs_have_no_range_but_what_is_gathered_has(tf: Any) -> None:
    table = normal(50, 8)
    model = convert(lambda i: tf.gather(table, i) * 2.0, tf.TensorSpec((1, 6), tf.int32))
    tokens = np.random.default_rng(3).integers(0, 50, (MANY, 6)).astype(np.int32)
    ranges = record(model, tokens)
    assert all(
        read(model).main.tensors[tensor.index].dtype == "float32" for tensor in ranges.tensors
    )
    the_same(model, ranges, tokens)
    assert ranges.tensors[0].max == table[tokens].max()


def test_of_a_tensor_without_values_nothing_is_said(tf: Any) -> None:
    model = convert(
        lambda x, y: tf.concat([x * 2.0, y + 1.0], 1),
        tf.TensorSpec((1, 4), name="x"),
        tf.TensorSpec((1, 0), name="y"),
    )
    given = normal(5, 4)
    ranges = record(model, [{"x": item, "y": item[:0]} for item in given])
    by_name = {tensor.name: tensor for tensor in ranges.tensors}
    assert (by_name["x"].min, by_name["x"].max) == (given.min(), given.max())
    assert by_name["y"].count == by_name["y"].sketch.total == 0
    with pytest.raises(DataError, match="0 NaN, 0 Inf of 0"):
        ranges.check_finite()


@pytest.mark.parametrize("shape", [(96, 96, 3), (40, 200, 1), (30000,), (9, 9, 9, 16)])
def test_quantiles_from_slices_are_near_those_of_every_value(shape: tuple[int, ...]) -> None:
    """Of smooth random images, whose rows are alike, as those of photographs are."""
    model = convert(lambda x: x * 2.0, (1, *shape))
    samples = [_smooth(shape, seed) for seed in range(24)]
    whole = np.sort(np.stack(samples), axis=None)
    (given,) = (tensor for tensor in record(model, samples).tensors if tensor.index == 0)
    assert given.sketch.total < len(whole) / 4
    for p in (0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999):
        got = given.sketch.quantile(p)
        # A share that is 4 standard errors of 1024 values of each of 24 samples away, and a bin.
        off = 4 * np.sqrt(p * (1 - p) / (24 * SKETCH_VALUES)) + 0.01 * min(p, 1 - p) * 10
        near = np.quantile(whole, [max(p - off, 0), min(p + off, 1)])
        slack = RELATIVE_WIDTH * abs(got)
        assert near[0] - slack <= got <= near[1] + slack, p
    every = record(model, samples, sketch_values=None).tensors[0].sketch
    assert every.total == len(whole)


def _smooth(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Return a sum of slow waves, with noise."""
    rng = np.random.default_rng(seed)
    places = np.meshgrid(*(np.linspace(0, 1, item) for item in shape), indexing="ij")
    value = rng.normal(0, 0.1, shape)
    for _ in range(6):
        waves = [rng.uniform(-12, 12) * place for place in places]
        value += rng.normal() * np.sin(sum(waves) + rng.uniform(0, 6))
    return value.astype(np.float32)


@pytest.mark.parametrize("good", [0, 3, MANY, 3 * MANY])
def test_an_error_in_the_samples_ends_the_recording_as_it_is(good: int) -> None:
    class Broken(Exception):
        pass

    def samples() -> Any:
        yield from normal(good, 6)
        raise Broken("the disk is gone")

    with pytest.raises(Broken, match="the disk is gone"):
        record(convert(_matmul, (1, 6)), samples(), threads=2)


def test_a_bad_sample_among_many_is_named() -> None:
    samples = [*normal(3 * MANY, 6), np.zeros(5, np.float32)]
    with pytest.raises(DataError, match=f"Sample {3 * MANY}"):
        record(convert(_matmul, (1, 6)), samples, threads=2)


def test_not_a_number_in_one_of_a_batch_is_of_that_sample_alone() -> None:
    model, samples = convert(_matmul, (1, 6)), normal(2 * _MOST_BATCH, 6)
    samples[_MOST_BATCH + 3, 2] = np.inf
    ranges = record(model, samples)
    given = ranges.tensors[0]
    assert (given.nan, given.inf, given.count) == (0, 1, samples.size)
    finite = samples[np.isfinite(samples)]
    assert (given.min, given.max) == (finite.min(), finite.max())
    assert given.sketch.total == finite.size
    last = ranges.tensors[-1]
    assert (last.nan, last.inf) == (4, 0)
    assert last.sketch.total == last.count - 4


def test_large_finite_values_whose_sum_is_infinite_are_no_mistake() -> None:
    model = convert(lambda x: x * 0.5, (1, 64))
    samples = np.full((MANY, 64), 3e38, np.float32)
    ranges = record(model, samples)
    ranges.check_finite()
    the_same(model, ranges, samples)


_MEMORY = """
import resource, sys
import numpy as np
from quantline.ranges import record
model = open(sys.argv[1], "rb").read()
def samples(count):
    rng = np.random.default_rng(0)
    return (rng.random((128, 128), np.float32) for _ in range(count))
for count in (100, 2000):
    record(model, samples(count), threads=2)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_number_of_samples(tmp_path: Path) -> None:
    """1,900 samples more are 125 MB, and twice that of values of the model's two tensors."""
    path = tmp_path / "model.tflite"
    path.write_bytes(convert(lambda x: x * 2.0, (1, 128, 128)))
    done = subprocess.run(
        [sys.executable, "-c", _MEMORY, str(path)], cwd=PROJECT, capture_output=True, check=True
    )
    few, many = (int(part) for part in done.stdout.split())
    assert many - few < 80_000  # KiB; what waits to be counted is at most 2 ** 21 values a thread


class TestRefused:
    def test_several_signatures(self, tf: Any, tmp_path: Path) -> None:
        from tests.conftest import public_convert

        spec = tf.TensorSpec((1, 4), tf.float32, "x")
        double = tf.function(lambda x: {"y": x * 2.0}, input_signature=[spec])
        triple = tf.function(lambda x: {"y": x * 3.0}, input_signature=[spec])
        signatures = {"double": double, "triple": triple}
        tf.saved_model.save(tf.Module(), str(tmp_path / "m"), signatures=signatures)
        with pytest.raises(ModelUnsupported, match="several signatures") as caught:
            record(public_convert(tmp_path / "m"), normal(4, 4))
        assert caught.value.found == "double, triple"
        assert "`signature`" in caught.value.remedy

    def test_resource_variables(self, tf: Any) -> None:
        class Counting(tf.Module):
            def __init__(self) -> None:
                self.total = tf.Variable(tf.zeros((1, 4)))

            @tf.function(input_signature=[tf.TensorSpec((1, 4), tf.float32)])
            def call(self, x: Any) -> Any:
                return self.total.assign_add(x)

        module = Counting()
        converter = tf.lite.TFLiteConverter.from_concrete_functions(
            [module.call.get_concrete_function()], module
        )
        converter.experimental_enable_resource_variables = True
        with pytest.raises(ModelUnsupported, match="control flow or resources") as caught:
            record(bytes(converter.convert()), normal(4, 4))
        assert "VAR_HANDLE" in caught.value.found

    def test_what_keeps_state(self) -> None:
        from tests.quantization.architectures import architecture

        model = architecture("fused_lstm")
        edited = parse(model.float_tflite)
        codes = [code for code in edited.operatorCodes
                 if code.builtinCode == BuiltinOperator.UNIDIRECTIONAL_SEQUENCE_LSTM]  # fmt: skip
        (code,) = codes
        code.builtinCode = code.deprecatedBuiltinCode = BuiltinOperator.UNIDIRECTIONAL_SEQUENCE_RNN
        with pytest.raises(ModelUnsupported, match="keeps state") as caught:
            record(pack(edited, len(model.float_tflite)), model.samples)
        assert caught.value.found == "UNIDIRECTIONAL_SEQUENCE_RNN"
        assert "unroll=True" in caught.value.remedy

    def test_sizes_that_only_running_tells(self) -> None:
        model = convert(lambda x: x * 2.0, (1, None, 4))
        with pytest.raises(ModelUnsupported, match="not known before the model runs"):
            record(model, normal(4, 3, 4))


@pytest.mark.parametrize("bias", [0.0, 100.0, -100.0])
def test_a_large_rectified_tensor_keeps_its_exact_minimum(bias: float) -> None:
    """A value at 0 proves it; where there is none, it is looked for."""

    def rectify(x: Any) -> Any:
        tf = tensorflow()
        sums = tf.nn.conv2d(x, normal(3, 3, 2, 8), 1, "SAME")
        return tf.nn.relu(tf.nn.bias_add(sums, [bias] * 8))

    model = convert(rectify, (1, 64, 64, 2))
    (operator,) = read(model).main.operators
    assert read(model).main.tensors[operator.outputs[0]].size > 1 << 14
    samples = [normal(64, 64, 2, seed=seed) for seed in range(6)]
    the_same(model, record(model, samples), samples)


def test_nan_behind_a_rectifier_is_counted() -> None:
    def rectify(x: Any) -> Any:
        return tensorflow().nn.relu(tensorflow().math.log(x))

    samples = [np.abs(normal(1, 64, 64, 8, seed=seed)) + 1 for seed in range(4)]
    samples[2][0, 3, 5, 7] = -1
    model = convert(rectify, (1, 64, 64, 8))
    ranges = record(model, samples)
    assert [tensor.nan for tensor in ranges.tensors] == [0, 1, 1]
