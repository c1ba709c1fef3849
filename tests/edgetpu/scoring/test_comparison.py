"""A prediction against compiled files and against the compiler's operator tables."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from tests.edgetpu import compiling, pairs
from tests.edgetpu import published_output as published

from quantline.edgetpu import Status, Target, predict
from quantline.edgetpu.compiler.output import parse_log
from quantline.edgetpu.compiler.records import OperatorCount
from quantline.edgetpu.scoring.comparison import CountDifference, compare, compare_counts
from quantline.errors import MismatchError

UNSPECIFIED = "Operation is otherwise supported, but not mapped due to some unspecified limitation"


@pytest.fixture
def graph(model):
    """Two operators that are mapped, one that is not, one that is dead."""
    at = model.unary("LOGISTIC", model.unary("LOGISTIC", model.tensor(1, 8)))
    model.unary("LOGISTIC", at)
    return model.graph(model.unary("ELU", at))


def test_what_was_predicted_rightly_is_exact(graph):
    found = compare(predict(graph), graph, compiling.compiled(graph, {0, 1}))
    assert found.is_exact
    assert (found.operators, found.misses) == (4, ())
    told = json.loads(json.dumps(found.to_dict()))
    assert told["evidence"] == {"predicted": "predicted", "compiled": "parsed"}
    assert (told["exact"], told["operators"], told["right"]) == (True, 4, 4)


def test_each_miss_is_named_with_what_the_compiler_did(graph):
    found = compare(predict(graph), graph, compiling.compiled(graph, {0}))
    (miss,) = found.misses
    assert (miss.predicted.index, miss.predicted.target, miss.actual) == (
        1,
        Target.EDGETPU,
        Target.CPU,
    )
    told = found.to_dict()["misses"][0]
    assert (told["index"], told["type"], told["actual"]) == (1, "LOGISTIC", "cpu")
    assert told["rule"]


def test_the_number_of_subgraphs_counts_too(graph):
    found = compare(predict(graph), graph, compiling.compiled(graph, {0}, {1}))
    assert (found.subgraphs_predicted, found.subgraphs_compiled) == (1, 2)
    assert found.misses == ()
    assert not found.is_exact


def test_an_unknown_operator_is_a_miss_whatever_came(graph):
    report = predict(graph)
    first, *rest = report.operators
    unsure = replace(report, operators=(replace(first, target=Target.UNKNOWN), *rest))
    found = compare(unsure, graph, compiling.compiled(graph, {0, 1}))
    assert [miss.actual for miss in found.misses] == [Target.EDGETPU]


def test_another_model_s_compiled_file_is_refused(graph, model):
    other = compiling.compiled(model.graph(2), {0, 1})
    with pytest.raises(MismatchError):
        compare(predict(graph), graph, other)


@pairs.needed
def test_it_finds_in_the_real_compiler_s_files_what_is_known_of_them():
    for record in pairs.compiled():
        original = pairs.graph(record["model"])
        report = predict(original, max(record["min_runtime"]))
        found = compare(report, original, pairs.graph(record["compiled"]))
        actual = {operator.index: operator.target for operator in report.operators}
        actual |= {miss.predicted.index: miss.actual for miss in found.misses}
        mapped = sorted(index for index, target in actual.items() if target is Target.EDGETPU)
        assert mapped == record["edgetpu"], record["model"]
        assert found.subgraphs_compiled == record["edgetpu_subgraphs"]


def test_equal_counts_differ_nowhere(graph):
    rows = [
        OperatorCount("LOGISTIC", 2, "Mapped to Edge TPU"),
        OperatorCount("ELU", 1, "Operation not supported"),
    ]
    assert compare_counts(predict(graph), rows) == ()


@pairs.needed
def test_a_published_log_has_the_counts_that_are_predicted_for_its_model():
    graph = pairs.graph("N100-nMACs1485619200_quant.tflite")
    assert compare_counts(predict(graph), parse_log(published.V16_LOG).operators) == ()


def test_differences_of_counts_are_by_type_and_status(graph):
    rows = [
        OperatorCount("LOGISTIC", 1, "Mapped to Edge TPU"),
        OperatorCount("LOGISTIC", 1, UNSPECIFIED),
        OperatorCount("ELU", 1, "Operation not supported"),
    ]
    assert compare_counts(predict(graph), rows) == (
        CountDifference("LOGISTIC", "Mapped to Edge TPU", 2, 1),
        CountDifference("LOGISTIC", UNSPECIFIED, 0, 1),
    )


def test_rows_of_all_segments_are_added(graph):
    row = OperatorCount("LOGISTIC", 1, "Mapped to Edge TPU")
    rows = [row, row, OperatorCount("ELU", 1, "Operation not supported")]
    assert compare_counts(predict(graph), rows) == ()


def test_the_compiler_calls_every_custom_operator_custom(model):
    graph = model.graph(model.unary("Atan", model.tensor(1, 8), custom=True))
    (difference,) = compare_counts(predict(graph), [])
    assert (difference.type, difference.predicted, difference.compiled) == ("CUSTOM", 1, 0)
    assert difference.to_dict()["status"] == Status.NOT_SUPPORTED
