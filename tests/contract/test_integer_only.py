"""Integer-only against models that TensorFlow's public converter made."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.conftest import public_convert, public_quantize
from tests.graphs import convert, normal

from quantline.contract import ContractReport, Finding, check_model, enforce
from quantline.errors import CheckFailed
from quantline.tflite import Runtime, Tensor, read

if TYPE_CHECKING:
    from collections.abc import Sequence


def floats(report: ContractReport) -> list[Finding]:
    return [finding for finding in report.findings if finding.breaks_integer_only]


def types(report: ContractReport) -> list[str]:
    return [operator.type for operator in floats(report)]


def test_an_integer_model_holds(depthwise: Any) -> None:
    graph = read(depthwise.int8_tflite)
    report = check_model(graph)
    assert report.integer_only
    assert floats(report) == []
    assert report.operators == len(graph.main.operators)
    assert report.tensors == report.integer_tensors == len(graph.main.tensors)
    assert report.input_types == report.output_types == ("int8",)


def test_what_tensorflow_silently_left_float_is_named(sine: Any) -> None:
    graph = read(sine.int8_tflite)
    report = check_model(graph)
    assert not report.integer_only
    # Independent of our own reading of types: the operators with a float tensor on either side.
    expected = [
        operator.index
        for operator in graph.main.operators
        if "float32"
        in {graph.main.tensors[i].dtype for i in (*operator.inputs, *operator.outputs) if i >= 0}
    ]
    assert [other.operator for other in floats(report)] == expected
    assert types(report) == ["DEQUANTIZE", "SIN", "QUANTIZE"]
    assert {finding.severity for finding in floats(report)} == {"integer_only"}
    found = floats(report)[1]
    operator = graph.main.operators[expected[1]]
    assert found.tensor == operator.outputs[0]
    assert found.name == graph.main.tensors[operator.outputs[0]].name
    assert "float32" in found.found


def test_floats_that_the_scheme_allows_are_notes(sine: Any) -> None:
    report = check_model(read(sine.int8_tflite), promise="int8_float_fallback")
    assert not report.integer_only
    assert report.float_operators == 3
    assert {finding.severity for finding in floats(report)} == {"note"}


def test_a_float_model_and_a_dynamic_range_model(tf: Any, depthwise: Any) -> None:
    report = check_model(read(depthwise.float_tflite))
    assert len(floats(report)) == report.float_operators == report.operators
    dynamic = read(public_convert(depthwise.saved_model, optimizations=[tf.lite.Optimize.DEFAULT]))
    weights = {tensor.index for tensor in dynamic.main.tensors if tensor.dtype == "int8"}
    hybrid = [
        operator.index for operator in dynamic.main.operators if weights & set(operator.inputs)
    ]
    report = check_model(dynamic)
    assert not report.integer_only
    found = [failure.operator for failure in floats(report) if "integer weights" in failure.found]
    assert found == hybrid


def test_a_float16_model(tf: Any, plain: Any) -> None:
    content = public_convert(
        plain.saved_model,
        optimizations=[tf.lite.Optimize.DEFAULT],
        supported_types=[tf.float16],
    )
    assert not check_model(read(content)).integer_only


def test_a_float_interface_is_no_offence_only_where_it_was_asked_for(plain: Any) -> None:
    graph = read(public_quantize(plain.saved_model, plain.samples, "float32", "float32"))
    assert types(check_model(graph)) == ["QUANTIZE", "DEQUANTIZE"]
    assert types(check_model(graph, float_input=True)) == ["DEQUANTIZE"]
    report = check_model(graph, float_input=True, float_output=True)
    assert report.integer_only
    kinds = [graph.main.operators[index].type for index in report.interface]
    assert kinds == ["QUANTIZE", "DEQUANTIZE"]
    assert report.input_types == report.output_types == ("float32",)


def test_a_float_interface_does_not_excuse_what_is_inside(sine: Any) -> None:
    graph = read(public_quantize(sine.saved_model, sine.samples, "float32", "float32"))
    assert "SIN" in types(check_model(graph, float_input=True, float_output=True))


def test_a_custom_operator_is_never_passed(plain: Any) -> None:
    graph = read(plain.int8_tflite)
    main = graph.main
    operators = (replace(main.operators[0], type="Mine", is_custom=True), *main.operators[1:])
    report = check_model(replace(graph, subgraphs=(replace(main, operators=operators),)))
    (found,) = floats(report)
    assert (found.rule, found.operator, found.type) == ("custom.unknown", 0, "Mine")
    assert not report.integer_only


def test_other_subgraphs_are_checked(plain: Any, sine: Any) -> None:
    body = replace(read(sine.int8_tflite).main, index=1)
    graph = read(plain.int8_tflite)
    report = check_model(replace(graph, subgraphs=(graph.main, body)))
    assert {other.subgraph for other in floats(report)} == {1}


def test_a_report_comes_back_from_its_values(sine: Any) -> None:
    report = check_model(read(sine.int8_tflite))
    assert ContractReport.from_dict(report.to_dict()) == report


def _report(findings: Sequence[Finding]) -> ContractReport:
    return ContractReport(
        not findings, True, "int8", None, None, 40, 40, 10, (), (), (), tuple(findings)
    )


def test_the_error_lists_all_by_type_and_the_first_twenty_in_full() -> None:
    enforce(_report([]))
    findings = [
        Finding(
            "integer.operator", "integer_only", 0, index, "SIN" if index % 2 else "COS", index,
            f"net/wave_{index}/op", f"wave_{index}", "computes in float32", "integers",
        )
        for index in range(30)
    ]  # fmt: skip
    with pytest.raises(CheckFailed) as caught:
        enforce(_report(findings))
    text = str(caught.value)
    assert caught.value.exit_status == 1
    assert "30 operators" in text
    assert "COS 15, SIN 15" in text
    assert text.index("operator 28 COS") < text.index("operator 1 SIN")
    assert "operator 9 SIN, tensor 9 ('net/wave_9/op') of layer 'wave_9': computes" in text
    assert "wave_11" not in text
    assert "10 more" in text


def test_the_model_that_fails_still_runs_in_float(sine: Any) -> None:
    """The reason the check is needed: nothing else tells."""
    got = np.concatenate([Runtime(sine.int8_tflite).predict(sample) for sample in sine.samples])
    assert np.abs(got - sine()).max() < 0.1


def test_simulated_quantization_that_was_left_in(tf: Any) -> None:
    fake = tf.quantization.fake_quant_with_min_max_args

    def model(image: Any) -> Any:
        kernel = fake(tf.constant(normal(3, 3, 3, 8)), -2, 2)
        hidden = fake(tf.nn.conv2d(fake(image, -1, 1), kernel, 1, "SAME"), -6, 6)
        return fake(tf.sin(hidden), -1, 1)

    report = check_model(read(convert(model, (1, 6, 6, 3))))
    rules = {finding.type: finding.rule for finding in floats(report)}
    assert rules == {
        "CONV_2D": "integer.simulated",
        "SIN": "integer.operator",  # it has no integer form
        "QUANTIZE": "integer.operator",
        "DEQUANTIZE": "integer.operator",
    }


def test_one_operator_in_float_among_integers_is_no_simulation(residual: Any) -> None:
    """So a converter leaves an operator in float; the model was quantized after training."""
    graph = read(residual.int8_tflite)
    main = graph.main
    (pool,) = (operator for operator in main.operators if operator.type == "MAX_POOL_2D")
    taken, given = (replace(main.tensors[value], index=len(main.tensors) + place, dtype="float32")
                    for place, value in enumerate((pool.inputs[0], pool.outputs[0])))  # fmt: skip
    around = [
        replace(pool, type="DEQUANTIZE", outputs=(taken.index,)),
        replace(pool, inputs=(taken.index,), outputs=(given.index,)),
        replace(pool, type="QUANTIZE", inputs=(given.index,)),
    ]
    others = [operator for operator in main.operators if operator is not pool]
    main = replace(main, tensors=(*main.tensors, taken, given), operators=(*others, *around))
    found = {
        finding.type: finding.rule
        for finding in floats(check_model(replace(graph, subgraphs=(main,))))
    }
    assert found == {
        "DEQUANTIZE": "integer.operator",
        "MAX_POOL_2D": "integer.operator",
        "QUANTIZE": "integer.operator",
    }


def test_the_bodies_of_control_flow_are_checked(tf: Any) -> None:
    def model(image: Any) -> Any:
        return tf.cond(tf.reduce_sum(image) > 0, lambda: tf.sin(image), lambda: tf.tanh(image))

    graph = read(convert(model, (1, 4)))
    found = {(operator.subgraph, operator.type) for operator in floats(check_model(graph))}
    assert {kind for subgraph, kind in found if subgraph} == {"SIN", "TANH"}
    assert (0, "IF") in found


def test_a_variable_of_integers_is_no_float(plain: Any) -> None:
    """Its handle is neither: what the variable holds is read into other tensors."""
    graph = read(plain.int8_tflite)
    handle = Tensor(len(graph.main.tensors), "handle", "resource", (), None, False, None)
    main = replace(graph.main, tensors=(*graph.main.tensors, handle))
    assert check_model(replace(graph, subgraphs=(main,))).integer_only
