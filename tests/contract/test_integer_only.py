"""Integer-only against models that TensorFlow's public converter made."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.conftest import public_convert, public_quantize

from quantline.contract import Offender, check, enforce
from quantline.errors import NotIntegerOnly
from quantline.tflite import Runtime, read


def test_an_integer_model_holds(depthwise: Any) -> None:
    graph = read(depthwise.int8_tflite)
    report = check(graph)
    assert report.integer_only
    assert report.offenders == ()
    assert report.operators == len(graph.main.operators)
    assert report.tensors == report.integer_tensors == len(graph.main.tensors)
    assert report.input_types == report.output_types == ("int8",)


def test_what_tensorflow_silently_left_float_is_named(sine: Any) -> None:
    graph = read(sine.int8_tflite)
    report = check(graph)
    assert not report.integer_only
    # Independent of our own reading of types: the operators with a float tensor on either side.
    expected = [
        operator.index
        for operator in graph.main.operators
        if "float32"
        in {graph.main.tensors[i].dtype for i in (*operator.inputs, *operator.outputs) if i >= 0}
    ]
    assert [each.index for each in report.offenders] == expected
    types = [each.type for each in report.offenders]
    assert types == ["DEQUANTIZE", "SIN", "QUANTIZE"]
    (found,) = (each for each in report.offenders if each.type == "SIN")
    operator = graph.main.operators[found.index]
    assert found.tensor == graph.main.tensors[operator.outputs[0]].name
    assert "float32" in found.reason


def test_a_float_model_and_a_dynamic_range_model(tf: Any, plain: Any) -> None:
    report = check(read(plain.float_tflite))
    assert len(report.offenders) == report.operators
    dynamic = public_convert(plain.saved_model, optimizations=[tf.lite.Optimize.DEFAULT])
    report = check(read(dynamic))
    assert not report.integer_only
    hybrid = [each for each in report.offenders if "integer weights" in each.reason]
    weights = {
        tensor.index
        for tensor in read(dynamic).main.tensors
        if tensor.dtype == "int8" and tensor.constant is not None
    }
    if weights:  # small weights may be left as they are
        assert hybrid


def test_a_float16_model(tf: Any, plain: Any) -> None:
    content = public_convert(
        plain.saved_model,
        optimizations=[tf.lite.Optimize.DEFAULT],
        supported_types=[tf.float16],
    )
    assert not check(read(content)).integer_only


def test_a_float_interface_is_no_offence_only_where_it_was_asked_for(plain: Any) -> None:
    graph = read(public_quantize(plain.saved_model, plain.samples, "float32", "float32"))
    assert [each.type for each in check(graph).offenders] == ["QUANTIZE", "DEQUANTIZE"]
    assert [each.type for each in check(graph, float_input=True).offenders] == ["DEQUANTIZE"]
    report = check(graph, float_input=True, float_output=True)
    assert report.integer_only
    kinds = [graph.main.operators[index].type for index in report.interface]
    assert kinds == ["QUANTIZE", "DEQUANTIZE"]
    assert report.input_types == report.output_types == ("float32",)


def test_a_float_interface_does_not_excuse_what_is_inside(sine: Any) -> None:
    graph = read(public_quantize(sine.saved_model, sine.samples, "float32", "float32"))
    report = check(graph, float_input=True, float_output=True)
    assert "SIN" in {each.type for each in report.offenders}


def test_a_custom_operator_is_never_passed(plain: Any) -> None:
    graph = read(plain.int8_tflite)
    main = graph.main
    operators = (replace(main.operators[0], type="Mine", is_custom=True), *main.operators[1:])
    report = check(replace(graph, subgraphs=(replace(main, operators=operators),)))
    assert [(each.index, each.type) for each in report.offenders] == [(0, "Mine")]
    assert "not known" in report.offenders[0].reason


def test_other_subgraphs_are_checked(plain: Any, sine: Any) -> None:
    body = replace(read(sine.int8_tflite).main, index=1)
    graph = read(plain.int8_tflite)
    report = check(replace(graph, subgraphs=(graph.main, body)))
    assert {each.subgraph for each in report.offenders} == {1}


def test_the_error_lists_the_first_twenty() -> None:
    enforce([])
    offenders = [
        Offender(0, index, "SIN", f"wave_{index}", index, "float32", "computes in float32")
        for index in range(30)
    ]
    with pytest.raises(NotIntegerOnly) as caught:
        enforce(offenders)
    text = str(caught.value)
    assert caught.value.exit_status == 1
    assert "30 operators" in text
    assert "operator 19 SIN ('wave_19')" in text
    assert "wave_20" not in text
    assert "10 more" in text


def test_the_model_that_fails_still_runs_in_float(sine: Any) -> None:
    """The reason the check is needed: nothing else tells."""
    got = np.concatenate([Runtime(sine.int8_tflite).predict(each) for each in sine.samples])
    assert np.abs(got - sine()).max() < 0.1
