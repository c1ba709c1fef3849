from __future__ import annotations

import pytest

from quantline.edgetpu import Placement, Provenance, Status, predict


def convolution(model, source, output, weights=None, **options):
    weights = model.weights(4, 3, 3, 3) if weights is None else weights
    inputs = [source, weights, model.integers(0, 0, 0, 0)]
    model.add("CONV_2D", inputs, [output], **options)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int16", "int32"])
def test_a_model_of_another_data_type_stays_on_the_cpu(model, dtype):
    output = model.tensor(1, 8, 8, 4, dtype=dtype)
    weights = model.tensor(4, 3, 3, 3, dtype=dtype, values=1)
    convolution(model, model.tensor(1, 8, 8, 3, dtype=dtype), output, weights)
    report = predict(model.graph(output))
    verdict = report.operators[0]
    assert (verdict.target, verdict.status) == (Placement.CPU, Status.DTYPE)
    assert dtype in verdict.rule
    assert (report.mapped_operators, report.subgraphs) == (0, 0)


def test_the_data_type_is_named_before_the_missing_operator(model):
    found = model.tensor(1, 8, dtype="int64")
    model.add("ARG_MAX", [model.tensor(1, 8, 4), model.integers(2)], [found])
    boxes = model.tensor(1, 10, 4, dtype="float32")
    model.add("TFLite_Detection_PostProcess", [model.tensor(1, 8, 4)], [boxes], custom=True)
    highest = [model.tensor(1, 3)]
    model.add("SOME_CUSTOM", [model.tensor(1, 8)], highest, custom=True)
    verdicts = predict(model.graph(found, boxes, *highest)).operators
    assert [verdict.status for verdict in verdicts] == [
        Status.DTYPE,
        Status.DTYPE,
        Status.NOT_SUPPORTED,
    ]


def test_a_custom_operator_is_not_the_builtin_of_the_same_name(model):
    output = model.unary("ADD", model.tensor(1, 4), custom=True)
    assert predict(model.graph(output)).operators[0].status is Status.NOT_SUPPORTED


@pytest.mark.parametrize(
    ("shape", "status"),
    [
        ((8, 8, 4), Status.MAPPED),
        ((1, 8, 8, 4), Status.MAPPED),
        ((-1, 8, 8, 4), Status.MAPPED),
        ((28, -1, 28), Status.DYNAMIC),
        ((1, 1, 8, 8, 4), Status.MAPPED),
        ((2, 8, 8, 4), Status.RANK),
        ((1, 2, 8, 8, 4), Status.RANK),
        ((), Status.MAPPED),
    ],
)
def test_only_the_three_innermost_dimensions_are_above_1(model, shape, status):
    output = model.tensor(*shape)
    model.add("LOGISTIC", [model.tensor(*shape)], [output])
    assert predict(model.graph(output)).operators[0].status is status


def test_weights_must_be_constant(model):
    output = model.tensor(1, 8, 8, 4)
    convolution(model, model.tensor(1, 8, 8, 3), output, model.tensor(4, 3, 3, 3))
    verdict = predict(model.graph(output)).operators[0]
    assert (verdict.target, verdict.status) == (Placement.CPU, Status.NOT_CONSTANT)
    assert "input 1" in verdict.rule


def assert_refused(report):
    *others, culprit = report.operators
    assert culprit.target is Placement.CPU
    for other in others:
        assert (other.target, other.status) == (Placement.UNKNOWN, Status.REFUSED)
        assert culprit.type in other.rule
    assert (report.mapped_operators, report.subgraphs) == (0, 0)
    return culprit


def test_an_unknown_size_of_an_input_refuses_the_model(model):
    middle = model.unary("LOGISTIC", model.tensor(1, 8, 8, 4))
    output = model.tensor(1, 8, 8, 4)
    model.add("ADD", [middle, model.tensor(1, -1, 8, 4)], [output])
    culprit = assert_refused(predict(model.graph(output)))
    assert (culprit.status, culprit.provenance) == (Status.DYNAMIC, Provenance.REPORTED)


def test_an_unknown_batch_may_come_after_other_dimensions(model):
    steps = model.tensor(28, -1, 28)
    model.add("TRANSPOSE", [model.tensor(-1, 28, 28), model.integers(1, 0, 2)], [steps])
    assert predict(model.graph(steps)).operators[0].status is Status.MAPPED


def test_a_computed_shape_refuses_the_model(model):
    middle = model.unary("LOGISTIC", model.tensor(1, 8))
    output = model.tensor(1, 8)
    model.add("RESHAPE", [middle, model.tensor(2, dtype="int32")], [output])
    assert assert_refused(predict(model.graph(output))).status is Status.DYNAMIC


def test_control_flow_refuses_the_model(model):
    middle = model.unary("LOGISTIC", model.tensor(1, 8))
    output = model.unary("WHILE", middle)
    assert assert_refused(predict(model.graph(output))).status is Status.DYNAMIC


@pytest.mark.parametrize(
    ("kind", "options", "status"),
    [
        ("EXP", {"version": 2}, Status.NOT_FOUND),
        ("TILE", {"version": 3}, Status.NOT_FOUND),
        ("GELU", {}, Status.OUT_OF_RANGE),
        ("FlexSplitV", {"custom": True}, Status.FLEX),
    ],
)
def test_what_the_compiler_cannot_read_refuses_the_model(model, kind, options, status):
    middle = model.unary("LOGISTIC", model.tensor(1, 64))
    culprit = assert_refused(predict(model.graph(model.unary(kind, middle, **options))))
    assert (culprit.status, culprit.provenance) == (status, Provenance.REPORTED)


def test_an_operator_newer_than_the_compiler_refuses_the_model(model):
    middle = model.unary("LOGISTIC", model.tensor(1, 64))
    output = model.tensor(1, 10)
    model.add("FULLY_CONNECTED", [middle, model.weights(10, 64), -1], [output], version=12)
    culprit = assert_refused(predict(model.graph(output)))
    assert culprit.status is Status.NOT_FOUND
    assert "version 12" in culprit.rule
