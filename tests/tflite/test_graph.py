from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from tests.tflite import tiny_model

from quantline.errors import ModelError, ModelUnreadable
from quantline.tflite import read
from quantline.tflite.graph import is_integer

if TYPE_CHECKING:
    from tests.conftest import Trained


def kinds(model: bytes) -> list[str]:
    return [operator.type for operator in read(model).main.operators]


def test_operators_are_in_the_order_of_execution(plain: Trained, depthwise: Trained) -> None:
    assert kinds(plain.float_tflite) == ["CONV_2D", "CONV_2D", "MEAN", "FULLY_CONNECTED", "SOFTMAX"]
    assert kinds(depthwise.float_tflite) == [
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
        "CONV_2D",
        "MEAN",
        "FULLY_CONNECTED",
    ]


def test_operators_are_those_that_the_runtime_lists(residual: Trained) -> None:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=residual.int8_tflite)
    listed = [detail["op_name"] for detail in interpreter._get_ops_details()]
    found = kinds(residual.int8_tflite)
    assert [name for name in listed if name != "DELEGATE"] == found


def test_tensors_are_those_that_the_runtime_lists(residual: Trained) -> None:
    from ai_edge_litert.interpreter import Interpreter

    details = Interpreter(model_content=residual.int8_tflite).get_tensor_details()
    tensors = read(residual.int8_tflite).main.tensors
    assert len(tensors) > 10
    for detail, tensor in zip(details, tensors, strict=False):
        assert (detail["index"], detail["name"]) == (tensor.index, tensor.name)
        assert np.dtype(detail["dtype"]).name == tensor.dtype
        assert tuple(detail["shape_signature"]) == tensor.shape
        quantized = detail["quantization_parameters"]
        if tensor.quantization is None:
            assert len(quantized["scales"]) == 0
        else:
            assert tensor.quantization.scales == tuple(quantized["scales"].tolist())
            assert tensor.quantization.zero_points == tuple(quantized["zero_points"].tolist())
            assert tensor.quantization.axis == quantized["quantized_dimension"]


def test_constants_are_the_weights_of_keras(plain: Trained) -> None:
    main = read(plain.float_tflite).main
    first, second, _, dense, _ = main.operators
    for operator, name in ((first, "first"), (second, "second")):
        kernel, bias = plain.keras.get_layer(name).get_weights()
        # Keras stores (height, width, in, out), TensorFlow Lite (out, height, width, in).
        stored = main.tensors[operator.inputs[1]].values()
        np.testing.assert_array_equal(stored, kernel.transpose(3, 0, 1, 2))
        np.testing.assert_array_equal(main.tensors[operator.inputs[2]].values(), bias)
    kernel, bias = plain.keras.get_layer("scores").get_weights()
    np.testing.assert_array_equal(main.tensors[dense.inputs[1]].values(), kernel.T)
    np.testing.assert_array_equal(main.tensors[dense.inputs[2]].values(), bias)


def test_options_are_those_of_the_layer(plain: Trained) -> None:
    first, second = read(plain.float_tflite).main.operators[:2]
    assert (first.options["strideH"], first.options["strideW"]) == (1, 1)
    assert (second.options["strideH"], second.options["strideW"]) == (2, 2)


def test_inputs_and_outputs_are_by_shape_and_by_signature(plain: Trained) -> None:
    graph = read(plain.float_tflite)
    (taken,), (given,) = graph.main.inputs, graph.main.outputs
    assert graph.main.tensors[taken].shape == (1, 10, 10, 3)
    assert graph.main.tensors[given].shape == (1, 4)
    (signature,) = graph.signatures
    assert signature.key == "serving_default"
    assert signature.subgraph == 0
    assert signature.inputs == {"image": taken}
    assert list(signature.outputs.values()) == [given]


def test_activations_are_no_constants(plain: Trained) -> None:
    main = read(plain.float_tflite).main
    written = {index for operator in main.operators for index in operator.outputs}
    for tensor in main.tensors:
        if tensor.index in written or tensor.index in main.inputs:
            assert tensor.constant is None
            with pytest.raises(ValueError, match="no readable constant"):
                tensor.values()
        else:
            assert tensor.values().shape == tensor.shape


def test_a_batch_of_any_size_is_read_as_unknown(plain: Trained) -> None:
    from tests.conftest import public_convert

    main = read(public_convert(plain.saved_model_any_batch)).main
    taken = main.tensors[main.inputs[0]]
    assert taken.shape == (-1, 10, 10, 3)
    assert not taken.is_static
    assert read(plain.float_tflite).main.tensors[0].is_static


def test_a_custom_operator_has_its_own_name(custom_operator: bytes) -> None:
    (operator,) = read(custom_operator).main.operators
    assert (operator.type, operator.is_custom) == ("Igamma", True)


def test_a_custom_operator_is_told_bytes() -> None:
    told = bytes(range(256))

    def tell(model: Any) -> None:
        tiny_model.with_operator(schema.BuiltinOperator.CUSTOM, [0], [3], "mine")(model)
        model.subgraphs[0].operators[0].customOptions = np.frombuffer(told, np.uint8)

    (operator,) = read(tiny_model.file(tell)).main.operators
    assert (operator.type, operator.custom_options) == ("mine", told)
    (plain,) = read(tiny_model.file()).main.operators
    assert plain.custom_options == b""


def test_no_bytes_are_no_model() -> None:
    with pytest.raises(ModelError, match="'m' is empty"):
        read(b"", "'m'")


@pytest.mark.parametrize(
    "content",
    [
        b"TFL3",
        b"\x00" * 4,
        b"\x00" * 1000,
        b"PK\x03\x04" + b"\x00" * 500,
        b"\x1c\x00\x00\x00TFL4" + b"\x00" * 500,
        b"not a model, but a text",
    ],
)
def test_bytes_without_the_identifier_are_no_model(content: bytes) -> None:
    with pytest.raises(ModelUnreadable) as caught:
        read(content, "'m'")
    assert f"{len(content):,} bytes" in caught.value.found
    assert "TFL3" in caught.value.expected


@pytest.mark.parametrize("rest", [b"", b"\x00" * 4, b"\x00" * 500, b"\xff" * 500])
@pytest.mark.parametrize("root", [b"\x1c\x00\x00\x00", b"\xff\xff\xff\x7f", b"\x00\x00\x00\x00"])
def test_bytes_with_only_the_identifier_are_a_damaged_model(root: bytes, rest: bytes) -> None:
    with pytest.raises(ModelUnreadable, match="damaged"):
        read(root + b"TFL3" + rest)


def test_a_model_that_was_cut_off_anywhere_is_unreadable(plain: Trained) -> None:
    model = plain.float_tflite
    for size in {*range(1, len(model), 97), len(model) - 4}:
        with pytest.raises(ModelUnreadable):
            read(model[:size])


def test_a_model_with_a_flipped_bit_is_read_or_unreadable(plain: Trained) -> None:
    """Damage in the weights cannot be seen; damage in the tables never ends in another error."""
    model, rng = plain.float_tflite, np.random.default_rng(0)
    unreadable = 0
    for _ in range(200):
        damaged = bytearray(model)
        damaged[rng.integers(8, len(model))] ^= 1 << int(rng.integers(8))
        try:
            read(bytes(damaged))
        except ModelUnreadable:
            unreadable += 1
    assert unreadable > 10


@pytest.mark.parametrize("name", ["int4", "int8", "uint8", "int16", "int32", "int64", "bool"])
def test_integers(name: str) -> None:
    assert is_integer(name)


@pytest.mark.parametrize(
    "name", ["float16", "float32", "bfloat16", "complex64", "string", "resource", "variant", ""]
)
def test_not_integers(name: str) -> None:
    assert not is_integer(name)
