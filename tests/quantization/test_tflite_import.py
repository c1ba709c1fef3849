"""Float .tflite files as other converters and other years wrote them."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import flexbuffers
from tests.graphs import convert, normal
from tests.tflite.behind import with_constants_behind

from quantline import recipe
from quantline.errors import DataError, MismatchError, ModelUnsupported
from quantline.quantization import import_float, tflite_import
from quantline.quantization.tflite_import import adapt
from quantline.quantization.weights_only import to_float16
from quantline.ranges import record
from quantline.tflite import Runtime, read
from quantline.tflite.edit import pack
from quantline.tflite.graph import parse

if TYPE_CHECKING:
    from pathlib import Path

PARITY = recipe.Parity(examples=4)
KERNEL, DENSE, TABLE = normal(3, 3, 3, 4), normal(4, 5, seed=1), normal(9, 4, seed=2)
IMAGES = normal(6, 8, 8, 3, seed=3)


def network(x: Any) -> Any:
    import tensorflow as tf

    y = tf.nn.relu(tf.nn.conv2d(x, KERNEL, 2, "SAME"))
    return tf.nn.softmax(tf.matmul(tf.reduce_mean(y, [1, 2]), DENSE))


@pytest.fixture(scope="module")
def plain() -> bytes:
    return convert(network, (1, 8, 8, 3))


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare a process of its own for what the tests know to be harmless."""
    monkeypatch.setattr(
        tflite_import, "run_in_child", lambda function, *given, **_: function(*given)
    )


def outputs(content: bytes, samples: np.ndarray) -> np.ndarray:
    runtime = Runtime(content, 1, "builtin")
    return np.concatenate([runtime.predict(sample) for sample in samples])


def test_float16_weights_are_widened_and_nothing_else_changes(plain: bytes) -> None:
    """The other way round: the float model with the rounded weights is known."""
    narrow = to_float16(plain)
    made = adapt(narrow, IMAGES, "m")
    graph = read(made.content)
    assert {tensor.dtype for tensor in graph.main.tensors} == {"float32", "int32"}
    assert [operator.type for operator in graph.main.operators] == [
        operator.type for operator in read(plain).main.operators
    ]
    np.testing.assert_array_equal(outputs(made.content, IMAGES), outputs(narrow, IMAGES))
    stored = {tensor.name: tensor for tensor in graph.main.tensors if tensor.constant is not None}
    for tensor in read(plain).main.tensors:
        if tensor.constant is not None and tensor.dtype == "float32":
            halves = tensor.values().astype(np.float16).astype(np.float32)
            assert any(np.array_equal(halves.ravel(), tensor.values().ravel())
                       for tensor in stored.values() if tensor.dtype == "float32")  # fmt: skip
    assert made.rebuilt == ("3 float16 tensors became float32",)
    assert made.outputs is not None


def test_sparse_weights_become_dense() -> None:
    """A matrix of which only the non-zero values are stored, row by row (CSR)."""
    full = np.zeros((4, 6), np.float32)
    full[0, 1], full[2, 5], full[3, 0] = 1.5, -2.0, 4.0
    content = _sparse(full)
    x = normal(3, 6)
    made = adapt(content, x, "m")
    (weights,) = (tensor for tensor in read(made.content).main.tensors if tensor.shape == (4, 6))
    np.testing.assert_array_equal(weights.values(), full)
    assert [operator.type for operator in read(made.content).main.operators] == ["FULLY_CONNECTED"]
    np.testing.assert_allclose(outputs(made.content, x), x @ full.T, rtol=1e-6)


def test_constants_behind_the_tables_are_the_same_model(plain: bytes, tmp_path: Path) -> None:
    apart = with_constants_behind(plain)
    assert apart != plain
    assert record(apart, IMAGES).tensors == record(plain, IMAGES).tensors
    made = []
    for content in (apart, plain):
        (tmp_path / "m.tflite").write_bytes(content)
        made.append(import_float(recipe.Model(path=str(tmp_path / "m.tflite")), IMAGES, PARITY))
    assert read(made[0].content).main.operators == read(made[1].content).main.operators
    np.testing.assert_array_equal(*(outputs(other.content, IMAGES) for other in made))


@pytest.mark.parametrize(
    ("exported", "samples", "imported"),
    [
        ((4, 8, 8, 3), IMAGES, (1, 8, 8, 3)),
        ((2, 8, 8, 3), IMAGES.reshape(3, 2, 8, 8, 3), (2, 8, 8, 3)),
        ((None, None, None, 3), IMAGES, (1, 8, 8, 3)),
        ((1, None, 8, 3), IMAGES[:, :6], (1, 6, 8, 3)),
        ((None, 8, 8, 3), IMAGES.reshape(3, 2, 8, 8, 3), (2, 8, 8, 3)),
    ],
    ids=["batch of 4", "whole batches", "all open", "height open", "batch of 2 of an open one"],
)
def test_open_sizes_and_batches_are_those_of_the_samples(
    exported: Any, samples: np.ndarray, imported: tuple[int, ...]
) -> None:
    import tensorflow as tf

    made = adapt(convert(network, exported), samples, "m")
    graph = read(made.content)
    assert graph.main.tensors[graph.main.inputs[0]].shape == imported
    assert all(tensor.is_static for tensor in graph.main.tensors)
    rows = samples.reshape(-1, *samples.shape[-3:])
    found = outputs(made.content, samples).reshape(len(rows), 5)
    np.testing.assert_allclose(found, network(tf.constant(rows)), rtol=1e-5, atol=1e-6)
    is_new = imported != exported
    assert len(made.rebuilt) == is_new
    assert not is_new or str(list(imported)) in made.rebuilt[0]


@pytest.mark.parametrize(("shape", "count"), [((5,), 3), ((), 3)], ids=["vector", "scalar"])
def test_inputs_without_a_batch(shape: tuple[int, ...], count: int) -> None:
    import tensorflow as tf

    samples = normal(count, *shape)
    made = adapt(convert(lambda x: tf.nn.relu(x) * 2.0, shape), samples, "m")
    assert made.rebuilt == ()
    ranges = {tensor.name: tensor for tensor in record(made.content, list(samples)).tensors}
    assert max(tensor_range.max for tensor_range in ranges.values()) == 2 * samples.max()


def test_rows_of_a_batch_that_depend_on_each_other_are_noticed(tmp_path: Path) -> None:
    import tensorflow as tf

    path = tmp_path / "m.tflite"
    path.write_bytes(convert(lambda x: x - tf.reduce_mean(x, 0, keepdims=True), (3, 5)))
    with pytest.raises(MismatchError, match="disagree"):
        import_float(recipe.Model(path=str(path)), normal(4, 5), PARITY)
    whole = import_float(recipe.Model(path=str(path)), normal(4, 3, 5), PARITY)
    assert whole.about["inputs"].popitem()[1]["shape"] == [3, 5]


def test_sizes_that_no_sample_can_have() -> None:
    with pytest.raises(DataError, match="-1 is any size"):
        adapt(convert(network, (1, None, None, 3)), normal(2, 8, 8, 4), "m")


def test_sizes_that_are_computed_from_sizes_are_constants() -> None:
    import tensorflow as tf

    def call(x: Any) -> Any:
        sizes = tf.shape(x)
        return tf.reshape(x, [sizes[0], sizes[1] * sizes[2]]) * 2.0

    made = adapt(convert(call, (None, None, 3)), normal(2, 4, 3), "m")
    assert {operator.type for operator in read(made.content).main.operators} == {"RESHAPE", "MUL"}


class TestIntegerInputs:
    @staticmethod
    def embedded(ids: Any) -> Any:
        import tensorflow as tf

        return tf.reduce_mean(tf.gather(TABLE, tf.cast(ids, tf.int32)), 1)

    @pytest.mark.parametrize("between", [False, True], ids=["at once", "after a RESHAPE"])
    def test_a_float_input_that_is_only_cast_becomes_an_integer(self, between: bool) -> None:
        import tensorflow as tf

        def call(x: Any) -> Any:
            return self.embedded(tf.reshape(x, [1, 6]) if between else x)

        ids = np.random.default_rng(0).integers(0, 9, (5, 2, 3) if between else (5, 6))
        content = convert(call, (1, *ids.shape[1:]))
        made = adapt(content, ids.astype(np.float32), "m")
        graph = read(made.content)
        assert graph.main.tensors[graph.main.inputs[0]].dtype == "int32"
        assert "CAST" not in {operator.type for operator in graph.main.operators}
        assert "int32" in made.rebuilt[0]
        # What is no whole number is cut off as the CAST did.
        for values in (ids.astype(np.float32), ids + np.float32(0.75)):
            np.testing.assert_array_equal(
                outputs(made.content, values.astype(np.int32)), outputs(content, values)
            )

    def test_an_input_that_others_read_as_a_float_stays_one(self) -> None:
        import tensorflow as tf

        content = convert(lambda x: self.embedded(x) + tf.reduce_sum(x), (1, 6))
        made = adapt(content, normal(3, 6) * 0, "m")
        graph = read(made.content)
        assert graph.main.tensors[graph.main.inputs[0]].dtype == "float32"
        assert made.rebuilt == ()


def test_non_max_suppression_has_known_sizes_and_can_be_recorded() -> None:
    import tensorflow as tf

    def call(x: Any) -> Any:
        flat = tf.reshape(tf.nn.sigmoid(x), [8, 5])
        kept = tf.image.non_max_suppression(flat[:, :4], flat[:, 4], 3)
        return tf.gather(flat, kept)

    samples = normal(3, 8, 5)
    made = adapt(convert(call, (1, 8, 5)), samples, "m")
    assert all(tensor.is_static for tensor in read(made.content).main.tensors)
    assert len(record(made.content, samples).tensors) > 3


def test_a_composite_becomes_what_it_stands_for(plain: bytes) -> None:
    content = _composite(plain)
    made = adapt(content, IMAGES, "m")
    graph = read(made.content)
    assert [operator.type for operator in graph.main.operators] == [
        operator.type for operator in read(plain).main.operators
    ]
    assert len(graph.subgraphs) == 1
    np.testing.assert_array_equal(outputs(made.content, IMAGES), outputs(plain, IMAGES))
    assert made.rebuilt == ("1 STABLEHLO_COMPOSITE 'net' became builtin operators",)


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_the_transposed_convolution_of_mediapipe_becomes_the_builtin_one(padding: str) -> None:
    import tensorflow as tf

    size = {"SAME": 8, "VALID": 9}[padding]
    kernel, bias = normal(3, 3, 2, 4), normal(2)

    def call(x: Any) -> Any:
        return tf.nn.conv2d_transpose(x, kernel, (1, size, size, 2), 2, padding) + bias

    plain, x = convert(call, (1, 4, 4, 4)), normal(3, 4, 4, 4)
    made = adapt(_as_mediapipe_has_it(plain, {"SAME": 1, "VALID": 2}[padding]), x, "m")
    assert {operator.type for operator in read(made.content).main.operators} == {"TRANSPOSE_CONV"}
    np.testing.assert_allclose(outputs(made.content, x), outputs(plain, x), atol=1e-5)
    assert "1 Convolution2DTransposeBias" in made.rebuilt[0]


def test_operators_that_the_runtime_lacks_are_named(custom_operator: bytes) -> None:
    (kind,) = {
        operator.type for operator in read(custom_operator).main.operators if operator.is_custom
    }
    shape = read(custom_operator).main.tensors[0].shape
    with pytest.raises(ModelUnsupported, match="LiteRT runtime does not have") as caught:
        adapt(custom_operator, np.zeros((2, *shape[1:]), np.float32), "m")
    assert kind in caught.value.found


def _composite(plain: bytes) -> bytes:
    """Return the model as the body of a composite, which is all that the main subgraph has."""
    tree = parse(plain)
    body = tree.subgraphs[0]
    main = schema.SubGraphT()
    main.tensors = [copy(body.tensors[int(value)]) for value in (*body.inputs, *body.outputs)]
    main.inputs, main.outputs = np.asarray([0], np.int32), np.asarray([1], np.int32)
    code = schema.OperatorCodeT()
    code.builtinCode, code.deprecatedBuiltinCode = schema.BuiltinOperator.STABLEHLO_COMPOSITE, 127
    code.version = 1
    tree.operatorCodes.append(code)
    operator = schema.OperatorT()
    operator.opcodeIndex = len(tree.operatorCodes) - 1
    operator.inputs, operator.outputs = main.inputs, main.outputs
    options = schema.StableHLOCompositeOptionsT()
    options.name, options.decompositionSubgraphIndex = "net", 1
    options.compositeAttributes = np.frombuffer(flexbuffers.Dumps({}), np.uint8)
    operator.builtinOptions2Type = schema.BuiltinOptions2.StableHLOCompositeOptions
    operator.builtinOptions2 = options
    main.operators = [operator]
    tree.subgraphs = [main, body]
    tree.signatureDefs = None
    return pack(tree, len(plain))


def _as_mediapipe_has_it(plain: bytes, padding: int) -> bytes:
    """Return a model whose TRANSPOSE_CONV is MediaPipe's custom operator."""
    tree = parse(plain)
    main = tree.subgraphs[0]
    place = next(at for at, value in enumerate(read(plain).main.operators)
                 if value.type == "TRANSPOSE_CONV")  # fmt: skip
    operator = main.operators[place]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
    code.customCode, code.version = "Convolution2DTransposeBias", 1
    tree.operatorCodes.append(code)
    _, weights, given, bias = (int(model_input) for model_input in operator.inputs)
    operator.opcodeIndex = len(tree.operatorCodes) - 1
    operator.inputs = np.asarray([given, weights, bias], np.int32)
    operator.builtinOptions, operator.builtinOptionsType = None, 0
    operator.customOptions = np.frombuffer(np.asarray([padding, 2, 2], "<i4").tobytes(), np.uint8)
    return pack(tree, len(plain))


def _sparse(full: np.ndarray) -> bytes:
    """Return a FULLY_CONNECTED of weights that are stored sparse, behind a DENSIFY."""
    import tensorflow as tf

    tree = parse(convert(lambda x: tf.matmul(x, full.T), (1, full.shape[1])))
    main = tree.subgraphs[0]
    (dense,) = (at for at, tensor in enumerate(main.tensors) if tuple(tensor.shape) == full.shape)
    rows, columns = schema.DimensionMetadataT(), schema.DimensionMetadataT()
    rows.format, rows.denseSize = schema.DimensionType.DENSE, full.shape[0]
    columns.format = schema.DimensionType.SPARSE_CSR
    columns.arraySegmentsType = columns.arrayIndicesType = schema.SparseIndexVector.Int32Vector
    segments, indices = schema.Int32VectorT(), schema.Int32VectorT()
    counts = (full != 0).sum(1)
    segments.values = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    indices.values = np.nonzero(full)[1].astype(np.int32)
    columns.arraySegments, columns.arrayIndices = segments, indices
    sparse = schema.TensorT()
    sparse.shape, sparse.type, sparse.name = main.tensors[dense].shape, 0, "sparse"
    sparse.sparsity = schema.SparsityParametersT()
    sparse.sparsity.traversalOrder = np.arange(2, dtype=np.int32)
    sparse.sparsity.dimMetadata = [rows, columns]
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(full[full != 0].tobytes(), np.uint8)
    tree.buffers.append(buffer)
    sparse.buffer = len(tree.buffers) - 1
    main.tensors[dense].buffer = 0
    main.tensors.append(sparse)
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.DENSIFY
    code.version = 1
    tree.operatorCodes.append(code)
    operator = schema.OperatorT()
    operator.opcodeIndex = len(tree.operatorCodes) - 1
    operator.inputs = np.asarray([len(main.tensors) - 1], np.int32)
    operator.outputs = np.asarray([dense], np.int32)
    operator.builtinOptionsType = schema.BuiltinOptions.DensifyOptions
    operator.builtinOptions = schema.DensifyOptionsT()
    main.operators = [operator, *main.operators]
    return pack(tree, 1 << 12)
