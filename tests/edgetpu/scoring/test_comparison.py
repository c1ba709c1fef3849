"""A prediction against compiled files."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from tests.edgetpu import compiling, pairs

from quantline.edgetpu import Placement, predict
from quantline.edgetpu.scoring.score import compare
from quantline.errors import MismatchError


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
        Placement.EDGETPU,
        Placement.CPU,
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
    unsure = replace(report, operators=(replace(first, target=Placement.UNKNOWN), *rest))
    found = compare(unsure, graph, compiling.compiled(graph, {0, 1}))
    assert [miss.actual for miss in found.misses] == [Placement.EDGETPU]


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
        mapped = sorted(index for index, target in actual.items() if target is Placement.EDGETPU)
        assert mapped == record["edgetpu"], record["model"]
        assert found.subgraphs_compiled == record["edgetpu_subgraphs"]
