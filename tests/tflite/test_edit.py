from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.conftest import public_convert

from quantline.tflite import read, with_outputs, with_ranges, with_signature, with_static_batch

if TYPE_CHECKING:
    from tests.conftest import Trained


def run(model: bytes, sample: np.ndarray) -> list[np.ndarray]:
    """Run a model with the runtime itself; the outputs in their order."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=model)
    interpreter.allocate_tensors()
    (taken,) = interpreter.get_input_details()
    interpreter.set_tensor(taken["index"], sample[np.newaxis])
    interpreter.invoke()
    return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]


def test_outputs_are_the_chosen_tensors_in_their_order(plain: Trained) -> None:
    main = read(plain.float_tflite).main
    chosen = [main.operators[3].outputs[0], main.operators[0].outputs[0], main.outputs[0]]
    edited = with_outputs(plain.float_tflite, chosen)
    assert read(edited).main.outputs == tuple(chosen)
    assert read(edited).signatures == ()
    shapes = [tensor.shape for tensor in run(edited, plain.samples[0])]
    assert shapes == [(1, 4), (1, 8, 8, 8), (1, 4)]


@pytest.mark.parametrize("name", ["plain", "depthwise", "residual"])
def test_more_outputs_do_not_change_the_result(name: str, request: Any) -> None:
    trained: Trained = request.getfixturevalue(name)
    main = read(trained.float_tflite).main
    written = [index for operator in main.operators for index in operator.outputs]
    edited = with_outputs(trained.float_tflite, written)
    (expected,) = run(trained.float_tflite, trained.samples[0])
    got = run(edited, trained.samples[0])[written.index(main.outputs[0])]
    np.testing.assert_array_equal(got, expected)


def test_everything_else_stays(residual: Trained) -> None:
    before, after = read(residual.float_tflite), read(with_outputs(residual.float_tflite, [0]))
    assert after.main.operators == before.main.operators
    assert after.main.inputs == before.main.inputs
    for first, second in zip(before.main.tensors, after.main.tensors, strict=True):
        assert (first.name, first.dtype, first.shape) == (second.name, second.dtype, second.shape)
        np.testing.assert_array_equal(first.constant, second.constant)


def test_ranges_are_written_where_the_quantizer_reads_them(plain: Trained) -> None:
    from ai_edge_litert import schema_py_generated as schema

    edited = with_ranges(plain.float_tflite, {0: (-1.5, 2.5), 3: (0.0, 6.0)})
    tensors = schema.ModelT.InitFromPackedBuf(edited, 0).subgraphs[0].tensors
    written = {
        index: (float(tensor.quantization.min[0]), float(tensor.quantization.max[0]))
        for index, tensor in enumerate(tensors)
        if tensor.quantization is not None and tensor.quantization.min is not None
    }
    assert written == {0: (-1.5, 2.5), 3: (0.0, 6.0)}
    # A range is no quantization yet.
    assert all(tensor.quantization is None for tensor in read(edited).main.tensors)


def test_ranges_leave_the_signature_and_the_result(plain: Trained) -> None:
    edited = with_ranges(plain.float_tflite, {0: (-1.0, 1.0)})
    assert read(edited).signatures == read(plain.float_tflite).signatures
    expected, got = run(plain.float_tflite, plain.samples[0]), run(edited, plain.samples[0])
    np.testing.assert_array_equal(expected, got)


@pytest.mark.parametrize("name", ["plain", "residual"])
def test_a_batch_of_any_size_becomes_one(name: str, request: Any) -> None:
    trained: Trained = request.getfixturevalue(name)
    dynamic = public_convert(trained.saved_model_any_batch)
    static = with_static_batch(dynamic)
    main = read(static).main
    assert main.tensors[main.inputs[0]].shape == (1, *trained.samples.shape[1:])
    assert all(tensor.is_static for tensor in main.tensors)
    assert read(static).signatures == read(dynamic).signatures
    (got,) = run(static, trained.samples[0])
    np.testing.assert_allclose(got, trained(trained.samples[:1]), rtol=1e-4, atol=1e-5)


def test_other_unknown_sizes_stay_unknown(tf: Any) -> None:
    @tf.function(input_signature=[tf.TensorSpec((None, None, 3), tf.float32)])
    def call(x: Any) -> Any:
        return tf.nn.relu(x)

    converter = tf.lite.TFLiteConverter.from_concrete_functions([call.get_concrete_function()])
    main = read(with_static_batch(converter.convert())).main
    assert main.tensors[main.inputs[0]].shape == (-1, -1, 3)
    assert not main.tensors[main.inputs[0]].is_static


def test_a_static_model_stays_as_it_is(plain: Trained) -> None:
    before, after = read(plain.float_tflite), read(with_static_batch(plain.float_tflite))
    assert [tensor.shape for tensor in before.main.tensors] == [
        tensor.shape for tensor in after.main.tensors
    ]
    assert before.signatures == after.signatures


@pytest.fixture(scope="module")
def several(tf: Any) -> bytes:
    """Three signatures: one multiplies by constants, one loops, one branches."""

    class Module(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((1, 4), tf.float32, "x")])
        def alpha(self, x: Any) -> dict[str, Any]:
            return {"y": tf.matmul(x, tf.constant(WEIGHTS))}

        @tf.function(input_signature=[tf.TensorSpec((1, 4), tf.float32, "x")])
        def beta(self, x: Any) -> dict[str, Any]:
            _, value = tf.while_loop(lambda i, v: i < 3, lambda i, v: (i + 1, v * 2.0), (0, x))
            return {"y": value}

        @tf.function(input_signature=[tf.TensorSpec((1, 4), tf.float32, "x")])
        def gamma(self, x: Any) -> dict[str, Any]:
            positive = tf.reduce_sum(x) > 0
            return {"y": tf.cond(positive, lambda: tf.sin(x), lambda: tf.floor(x))}

    module = Module()
    keys = ("alpha", "beta", "gamma")
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures={key: getattr(module, key) for key in keys})
        return public_convert(Path(folder))


WEIGHTS = np.random.default_rng(1).normal(size=(4, 2000)).astype(np.float32)
POINTS = [np.asarray(item, np.float32) for item in ([0.5, 1.5, -0.25, 2.0], [-3.5, 1.0, 0.5, 0.2])]
TRUTH = {
    "alpha": lambda x: x @ WEIGHTS,
    "beta": lambda x: 8 * x,
    "gamma": lambda x: np.sin(x) if x.sum() > 0 else np.floor(x),
}


@pytest.mark.parametrize("key", TRUTH)
def test_a_signature_by_itself_computes_what_it_did(key: str, several: bytes) -> None:
    alone = with_signature(several, key)
    graph = read(alone)
    assert [signature.key for signature in graph.signatures] == [key]
    assert graph.signatures[0].subgraph == 0
    assert set(graph.signatures[0].inputs.values()) == set(graph.main.inputs)
    for point in POINTS:
        (got,) = run(alone, point)
        np.testing.assert_allclose(got[0], TRUTH[key](point), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("key", "subgraphs"), [("alpha", 1), ("beta", 3), ("gamma", 3)])
def test_what_a_signature_does_not_reach_is_dropped(
    key: str, subgraphs: int, several: bytes
) -> None:
    alone = with_signature(several, key)
    assert len(read(several).subgraphs) == 7
    assert len(read(alone).subgraphs) == subgraphs
    # Only the first one has weights to speak of: 4 x 2000 floats.
    assert (len(alone) > 32_000) == (key == "alpha")


def test_a_signature_that_is_not_there(several: bytes) -> None:
    with pytest.raises(KeyError, match="delta"):
        with_signature(several, "delta")
