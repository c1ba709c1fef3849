"""The table against what TensorFlow's public converter makes, operator by operator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from tests.contract.operators import BODIES
from tests.graphs import normal
from tests.quantization.architectures import architecture
from tests.quantization.test_truth import INTEGER, NOT_16X8

from quantline.contract import ContractReport, check_model
from quantline.contract.specification import SPECIFICATION
from quantline.quiet import silenced_stderr, tensorflow
from quantline.tflite import Runtime, read, with_outputs

pytestmark = pytest.mark.filterwarnings("ignore:Statistics for quantized inputs")
SHARED = Path(__file__).resolve().parents[2] / "../shared/edgetpu_pairs"
# What the converter's 16x8 quantizer refuses, or leaves with a float constant.
NOT_INT16 = {
    "LOG_SOFTMAX", "L2_NORMALIZATION", "DIV", "HARD_SWISH", "RELU_N1_TO_1", "SQRT",
    "SPACE_TO_DEPTH", "DEPTH_TO_SPACE", "SELECT", "ARG_MAX", "ARG_MIN", "GREATER", "LESS",
    "TOPK_V2", "PADV2",
}  # fmt: skip
# What the converter leaves in float though it is asked for integers only.
LEFT_FLOAT = {"attention": ["DEQUANTIZE", "NEG", "QUANTIZE"]}


def convert(body: Any, *, int16: bool) -> bytes:
    tf = tensorflow()

    @tf.function(input_signature=[tf.TensorSpec((1, 6, 6, 3))])
    def model(image: Any) -> Any:
        return body(tf.nn.conv2d(image, normal(1, 1, 3, 8, scale=0.5), 1, "SAME") + 0.1)

    rng = np.random.default_rng(3)
    samples = [rng.uniform(-1, 1, (1, 6, 6, 3)).astype(np.float32) for _ in range(4)]
    converter = tf.lite.TFLiteConverter.from_concrete_functions([model.get_concrete_function()])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([sample] for sample in samples)
    sets = tf.lite.OpsSet
    converter.target_spec.supported_ops = [
        sets.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        if int16
        else sets.TFLITE_BUILTINS_INT8
    ]
    with silenced_stderr():
        return bytes(converter.convert())


def broken(report: ContractReport) -> list[tuple[str, str, str]]:
    return [(finding.rule, finding.type, finding.found) for finding in report.findings
            if finding.severity != "note"]  # fmt: skip


def groups() -> list[Any]:
    """Return which operators to put side by side in one model.

    Operators of free scales go together. Those that share scales go alone: TensorFlow 2.21's
    quantizer may leave one of several in float, give it two scales, or fail.
    """
    names = list(BODIES)
    first = names.index("AVERAGE_POOL_2D")
    chosen = [names[:12], names[12:first], *([name] for name in names[first:])]
    with_int16 = [name for name in names if name not in NOT_INT16]
    return [
        *(pytest.param(item, "int8", id=f"int8-{item[-1]}") for item in chosen),
        pytest.param(with_int16, "int16", id="int16"),
    ]


@pytest.mark.parametrize(("kinds", "dtype"), groups())
def test_the_converter_keeps_the_table_in_every_operator(
    tf: Any, kinds: list[str], dtype: str
) -> None:
    functions = [BODIES[kind] for kind in kinds]

    def model(hidden: Any) -> Any:
        # Products at the end, as in a whole model: what a float output reads may stay float.
        flat = [tf.reshape(function(tf, hidden), (1, -1)) for function in functions]
        return [tf.matmul(tensor, normal(tensor.shape[1], 3, scale=0.2)) for tensor in flat]

    graph = read(convert(model, int16=dtype == "int16"))
    report = check_model(graph, float_input=True, float_output=True)
    # The integers that ARG_MAX gives are cast for the product.
    assert [item for item in broken(report) if item[1] not in {"CAST", "QUANTIZE"}] == []
    seen = {
        operator.type
        for operator in graph.main.operators
        if dtype
        in {
            graph.main.tensors[model_input].dtype
            for model_input in operator.inputs
            if model_input >= 0
        }
    }
    assert set(kinds) <= seen


def test_the_table_names_operators_of_the_schema() -> None:
    assert set(SPECIFICATION) <= set(vars(schema.BuiltinOperator))


@pytest.mark.parametrize("name", INTEGER)
@pytest.mark.parametrize("scheme", ["int8", "int16x8"])
def test_sound_models_of_many_architectures(name: str, scheme: str) -> None:
    if scheme == "int16x8" and name in NOT_16X8:
        pytest.skip(f"TensorFlow's 16x8 quantizer has no form for {NOT_16X8[name]}")
    report = check_model(read(architecture(name).public(scheme)), promise=scheme)
    assert [item[1] for item in broken(report)] == LEFT_FLOAT.get(name, [])
    assert report.specification


@pytest.mark.parametrize(
    "scheme", ["int8_per_tensor", "int8_float_fallback", "dynamic_range", "float16"]
)
@pytest.mark.parametrize("name", ["depthwise", "unrolled_lstm"])
def test_sound_models_of_every_scheme(name: str, scheme: str) -> None:
    report = check_model(read(architecture(name).public(scheme)), promise=scheme)
    assert broken(report) == []


def test_the_converter_breaks_one_hot_and_the_model_is_wrong(tf: Any) -> None:
    """One and zero have scales of their own, and the kernel copies their integers."""
    content = convert(lambda x: tf.one_hot(tf.argmax(x, -1), 8), int16=False)
    report = check_model(read(content), float_output=True, float_input=True)
    assert {item[:2] for item in broken(report)} == {("activation.same_scale", "ONE_HOT")}
    got = Runtime(content).predict(np.ones((1, 6, 6, 3), np.float32))
    assert not np.isin(np.round(got, 2), [0, 1]).all()


def test_the_converter_gives_scales_of_zero_in_16x8_where_they_change_nothing(tf: Any) -> None:
    kernel = normal(1, 1, 8, 4)
    kernel[..., 1] = 0
    content = convert(lambda x: tf.nn.conv2d(x, kernel, 1, "SAME"), int16=True)
    graph = read(content)
    scales = [tensor.quantization.scales for tensor in graph.main.tensors if tensor.quantization]
    assert any(0.0 in scale for scale in scales)
    assert broken(check_model(graph, float_input=True, float_output=True, promise="int16x8")) == []
    got = Runtime(content).predict(np.ones((1, 6, 6, 3), np.float32))
    assert not got[..., 1].any()


@pytest.mark.skipif(not SHARED.is_dir(), reason="the pairs of compiled models are not here")
def test_real_models_by_others() -> None:
    """Int8 models keep the specification, uint8 ones are told of once, custom operators named."""
    for path in sorted(SHARED.glob("*.tflite")):
        graph = read(path.read_bytes(), path.name)
        report = check_model(graph, float_input=True)
        main = graph.main
        is_former = any(
            operator.type not in {"QUANTIZE", "DEQUANTIZE"}
            and not operator.is_custom
            and main.tensors[operator.outputs[0]].dtype == "uint8"
            for operator in main.operators
        ) or any(tensor.dtype == "uint8" and tensor.constant is not None for tensor in main.tensors)
        customs = sum(operator.is_custom for operator in main.operators)
        rules = [rule for rule, _, _ in broken(report)]
        assert rules == ["custom.unknown"] * customs + ["model.uint8"] * is_former, path.name


def test_the_converter_gives_one_copy_another_scale_and_the_model_is_wrong(tf: Any) -> None:
    """Where several operators want one scale for what they share, one of them loses."""

    def model(hidden: Any) -> Any:
        kinds = ("SELECT", "GREATER", "LESS", "ARG_MAX")
        flat = [tf.reshape(BODIES[kind](tf, hidden), (1, -1)) for kind in kinds]
        return [tf.matmul(tensor, normal(tensor.shape[1], 3, scale=0.2)) for tensor in flat]

    content = convert(model, int16=False)
    graph = read(content)
    found = [
        finding
        for finding in check_model(graph, float_input=True, float_output=True).findings
        if finding.rule == "activation.same_scale" and finding.type == "REVERSE_V2"
    ]
    if not found:
        pytest.skip("TensorFlow visits operators by their addresses, and this time none lost")
    assert found[0].operator is not None
    operator = graph.main.operators[found[0].operator]
    runtime = Runtime(with_outputs(content, [operator.inputs[0], operator.outputs[0]]))
    runtime.set(np.random.default_rng(1).uniform(-1, 1, (1, 6, 6, 3)).astype(np.float32))
    runtime.invoke()
    given, reversed_ = (
        port.dequantize(value) for port, value in zip(runtime.outputs, runtime.get(), strict=True)
    )
    assert np.abs(given[:, ::-1] - reversed_).max() > 0.1 * np.abs(given).max()
