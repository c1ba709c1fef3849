"""A finding has an effect on an output, and what has none is no finding: LiteRT is the truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from tests.contract.edited import Edit
from tests.tflite.tiny_model import BIAS, GIVEN, TAKEN, WEIGHTS, file, tree

from quantline.contract import check_model
from quantline.errors import ModelUnsupported
from quantline.tflite import Runtime, read, with_outputs
from quantline.tflite.edit import pack

if TYPE_CHECKING:
    from collections.abc import Callable

SHARED = Path(__file__).resolve().parents[2] / "../shared/cases/shared_zero_bias"
OPTIONS, OPERATORS, TYPES = schema.BuiltinOptions, schema.BuiltinOperator, schema.TensorType


def breaches(model: bytes, specification: Any = "int8") -> list[tuple[str, float | None]]:
    found = check_model(read(model), specification=specification).findings
    return [
        (finding.rule, finding.effect_steps)
        for finding in found
        if finding.severity == "specification"
    ]


def scores(model: bytes, values: np.ndarray) -> np.ndarray:
    """Return the integers that FULLY_CONNECTED gives for some inputs."""
    (dense,) = (
        operator for operator in read(model).main.operators if operator.type == "FULLY_CONNECTED"
    )
    runtime = Runtime(with_outputs(model, dense.outputs), 1, "builtin")
    given = []
    for value in values:
        runtime.set(value)
        runtime.invoke()
        given.append(runtime.get()[0])
    return np.stack(given).astype(int)


@pytest.fixture(scope="module")
def integers() -> np.ndarray:
    return np.random.default_rng(3).integers(-128, 128, (8, 1, 10, 10, 3), np.int8)


def with_bias(model: bytes, values: int, scale: float) -> bytes:
    """Return the model with other integers in the last bias, and its scales multiplied."""
    edit = Edit(model)
    bias = edit.input("FULLY_CONNECTED", 2)
    edit.values(bias, "int32")[:] = np.arange(1, 5) * 160 * values
    bias.quantization.scale = np.array(bias.quantization.scale) * np.float32(scale)
    return edit.bytes()


def test_a_bias_of_zeros_may_have_any_scale(plain: Any, integers: np.ndarray) -> None:
    model = with_bias(plain.int8_tflite, 0, 3.0)
    assert breaches(model) == []
    alike = with_bias(plain.int8_tflite, 0, 1.0)
    np.testing.assert_array_equal(scores(model, integers), scores(alike, integers))


def test_the_effect_of_a_bias_is_what_the_output_is_off_by(
    plain: Any, integers: np.ndarray
) -> None:
    """Meant are the stored integers with the stated scale: three times the integers with one."""
    wrong = with_bias(plain.int8_tflite, 1, 3.0)
    meant = with_bias(plain.int8_tflite, 3, 1.0)
    ((rule, steps),) = breaches(wrong)
    assert rule == "bias.scale"
    assert steps is not None
    assert steps > 2
    off = np.abs(scores(meant, integers) - scores(wrong, integers)).max()
    assert off == pytest.approx(steps, abs=1)


def test_less_than_half_a_step_is_no_finding(plain: Any) -> None:
    assert breaches(with_bias(plain.int8_tflite, 1, 1.01)) == []


def test_a_scale_that_the_kernel_refuses_is_found_though_the_bias_is_zero() -> None:
    def change(model: Any) -> None:
        tensors = model.subgraphs[0].tensors
        for index in (WEIGHTS, BIAS):
            tensors[index].quantization.scale = np.asarray([0.25], np.float32)
            tensors[index].quantization.zeroPoint = np.asarray([0])
        model.buffers[tensors[BIAS].buffer].data = np.zeros(8, np.uint8)

    model = file(change)
    assert [rule for rule, _ in breaches(model)] == ["bias.scale"]
    with pytest.raises(ModelUnsupported):
        Runtime(model, 1, "builtin")


def test_a_last_bit_between_two_scales_is_no_finding(residual: Any) -> None:
    edit = Edit(residual.int8_tflite)
    scale = edit.output("MAX_POOL_2D").quantization.scale
    edit.output("MAX_POOL_2D").quantization.scale = np.nextafter(scale, 2, dtype=np.float32)
    assert breaches(edit.bytes()) == []


def test_one_weight_of_minus_128_a_channel_is_no_finding(plain: Any) -> None:
    edit = Edit(plain.int8_tflite)
    edit.values(edit.input("FULLY_CONNECTED", 1), "int8")[:, 0] = -128
    assert breaches(edit.bytes()) == []
    edit.values(edit.input("FULLY_CONNECTED", 1), "int8")[2, 1] = -128
    assert [rule for rule, _ in breaches(edit.bytes())] == ["weights.range"]


def plain_integers(kind: str, dtype: str) -> bytes:
    """An operator on two inputs without scales."""
    model = tree()
    main, code = model.subgraphs[0], model.operatorCodes[0]
    number = getattr(OPERATORS, kind)
    code.builtinCode, code.deprecatedBuiltinCode, code.version = number, number, 4
    main.tensors = [main.tensors[TAKEN], main.tensors[TAKEN], main.tensors[GIVEN]]
    for tensor in main.tensors:
        tensor.shape, tensor.type = np.asarray([1, 4], np.int32), getattr(TYPES, dtype)
        tensor.quantization = None
    main.inputs, main.outputs = np.asarray([0, 1], np.int32), np.asarray([2], np.int32)
    main.operators[0].inputs, main.operators[0].outputs = main.inputs, main.outputs
    name = {"MAXIMUM": "MaximumMinimum"}.get(kind, kind.capitalize())
    main.operators[0].builtinOptionsType = getattr(OPTIONS, f"{name}Options")
    main.operators[0].builtinOptions = getattr(schema, f"{name}OptionsT")()
    model.signatureDefs = None
    return pack(model, 1 << 12)


@pytest.mark.parametrize(
    ("kind", "dtype", "meant"),
    [
        ("ADD", "INT16", np.add), ("MUL", "INT16", np.multiply),
        ("MAXIMUM", "INT16", np.maximum), ("MAXIMUM", "INT8", np.maximum),
    ],
)  # fmt: skip
def test_plain_integers_need_no_scale(kind: str, dtype: str, meant: Any) -> None:
    model = plain_integers(kind, dtype)
    assert breaches(model) == []
    left, right = np.asarray([[1, 2, 3, 4]]), np.asarray([[10, 20, -30, 2]])
    runtime = Runtime(model, 1, "builtin")
    runtime.set(left.astype(dtype.lower()), right.astype(dtype.lower()))
    runtime.invoke()
    np.testing.assert_array_equal(runtime.get()[0], meant(left, right))


@pytest.mark.parametrize(("kind", "dtype"), [("SUB", "INT16"), ("ADD", "INT8"), ("MUL", "INT8")])
def test_other_kernels_need_a_scale(kind: str, dtype: str) -> None:
    """The kernels of the first two end the process, the third multiplies by 0."""
    assert {rule for rule, _ in breaches(plain_integers(kind, dtype))} == {"activation.scale"}


def test_weights_of_four_bits_are_no_finding(plain: Any) -> None:
    edit = Edit(plain.int8_tflite)
    for kind in ("CONV_2D", "FULLY_CONNECTED"):
        weights = edit.input(kind, 1)
        weights.type = TYPES.INT4
        buffer = edit.model.buffers[weights.buffer]
        buffer.data = buffer.data[: -(-len(buffer.data) // 2)]  # two values a byte
    assert breaches(edit.bytes()) == []
    Runtime(edit.bytes(), 1, "builtin").invoke()


def test_the_scales_of_a_bias_may_lie_along_a_dimension_of_the_weights(depthwise: Any) -> None:
    """Along dimension 3 of a depthwise convolution's, as in the first texts of 2019."""
    edit = Edit(depthwise.int8_tflite)
    bias = edit.input("DEPTHWISE_CONV_2D", 2)
    bias.quantization.quantizedDimension = 3
    graph = read(edit.bytes())
    assert breaches(edit.bytes()) == []
    quantization = graph.main.tensors[graph_index(graph)].quantization
    assert quantization is not None
    assert quantization.axis == 0


def graph_index(graph: Any) -> int:
    (operator,) = (other for other in graph.main.operators if other.type == "DEPTHWISE_CONV_2D")
    return int(operator.inputs[2])


def former(change: Callable[[Any], None] = lambda tensors: None) -> bytes:
    """The tiny model with the uint8 activations and asymmetric weights of the former scheme."""

    def edit(model: Any) -> None:
        tensors = model.subgraphs[0].tensors
        for index in (TAKEN, WEIGHTS, GIVEN):
            tensors[index].type = TYPES.UINT8
            tensors[index].quantization.zeroPoint = np.asarray([131])
        for index, scale in ((WEIGHTS, 0.25), (BIAS, 0.125)):
            tensors[index].quantization.scale = np.asarray([scale], np.float32)
        tensors[BIAS].quantization.zeroPoint = np.asarray([0])
        change(tensors)

    return file(edit)


def test_a_model_of_the_former_specification_is_held_to_what_was_named() -> None:
    model = former()
    Runtime(model, 1, "builtin").invoke()
    assert [rule for rule, _ in breaches(model)] == ["model.uint8"]
    assert breaches(model, "uint8") == []
    assert breaches(model, "none") == []


@pytest.mark.parametrize(
    ("rule", "tensor", "field", "value"),
    [
        ("bias.scale", BIAS, "scale", [0.5]),
        ("activation.zero_point", GIVEN, "zeroPoint", [300]),
        ("tensor.scale", WEIGHTS, "scale", [0.0]),
    ],
)
def test_what_breaks_the_former_specification(
    rule: str, tensor: int, field: str, value: list[float]
) -> None:
    values = np.asarray(value, np.float32 if field == "scale" else np.int64)
    model = former(lambda tensors: setattr(tensors[tensor].quantization, field, values))
    assert [other for other, _ in breaches(model, "uint8")] == [rule]
    assert breaches(model, "none") == []


@pytest.mark.skipif(not SHARED.is_dir(), reason="the published models are not here")
def test_published_models_of_integers() -> None:
    """Of these four one has biases that are wrong, in 10 and 39 channels, by up to 23 steps."""
    found = {path.name: breaches(path.read_bytes()) for path in sorted(SHARED.glob("*.tflite"))}
    wrong = found.pop("q_dbface_int.tflite")
    assert [(rule, round(steps or 0)) for rule, steps in wrong] == [
        ("bias.scale", 14), ("bias.scale", 23),
    ]  # fmt: skip
    assert set(map(len, found.values())) == {0}
