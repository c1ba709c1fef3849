from __future__ import annotations

import json
import subprocess
import sys

import pytest

from quantline.edgetpu import Placement, Status, predict
from quantline.errors import ParameterError


def broken_chain(model):
    """RELU, GATHER, RELU, RELU: two supported groups."""
    last = model.tensor(1, 8)
    for kind in ["RELU", "GATHER", "RELU", "RELU"]:
        last = model.unary(kind, last)
    return model.graph(last)


def test_operators_after_the_break_are_stranded(model):
    report = predict(broken_chain(model))
    assert [operator.status for operator in report.operators] == [
        Status.MAPPED,
        Status.NOT_SUPPORTED,
        Status.ONE_SUBGRAPH,
        Status.ONE_SUBGRAPH,
    ]
    assert (report.subgraphs, report.mapped_operators, report.mapped_share) == (1, 1, 0.25)


def test_multiple_subgraphs_map_them_too(model):
    report = predict(broken_chain(model), multiple_subgraphs=True)
    assert (report.subgraphs, report.mapped_operators) == (2, 3)


@pytest.mark.parametrize("multiple_subgraphs", [False, True])
def test_subgraphs_are_counted_both_ways(model, multiple_subgraphs):
    report = predict(broken_chain(model), multiple_subgraphs=multiple_subgraphs)
    assert (report.subgraphs_default, report.subgraphs_multiple) == (1, 2)


def resized(model, kind_before=None):
    """A RESIZE of unknown mapping between two RELUs."""
    first = model.unary("RELU", model.tensor(1, 128, 128, 8))
    if kind_before:
        first = model.unary(kind_before, first)
    large = model.tensor(1, 256, 256, 8)
    model.add("RESIZE_BILINEAR", [first, model.integers(256, 256)], [large])
    return model.graph(model.unary("RELU", large))


def test_what_follows_an_unknown_operator_is_unknown(model):
    report = predict(resized(model))
    assert [operator.target for operator in report.operators] == [
        Placement.EDGETPU,
        Placement.UNKNOWN,
        Placement.UNKNOWN,
    ]
    assert report.operators[2].status is Status.DEPENDS
    assert (report.mapped_operators, report.unknown_operators, report.subgraphs) == (1, 2, 1)


def test_with_multiple_subgraphs_only_the_operator_itself_is_unknown(model):
    report = predict(resized(model), multiple_subgraphs=True)
    assert [operator.target for operator in report.operators] == [
        Placement.EDGETPU,
        Placement.UNKNOWN,
        Placement.EDGETPU,
    ]
    assert report.subgraphs == 2


def test_an_unknown_operator_behind_a_break_is_stranded_anyway(model):
    report = predict(resized(model, "GATHER"))
    assert [operator.target for operator in report.operators] == [
        Placement.EDGETPU,
        *[Placement.CPU] * 3,
    ]


def test_dead_operators_are_set_apart(model):
    source = model.tensor(1, 8)
    output = model.unary("RELU", source)
    model.unary("GATHER", source)
    report = predict(model.graph(output))
    assert report.operators[1].target is Placement.DEAD
    assert (report.operators_total, report.mapped_share) == (1, 1.0)
    assert report.to_dict()["reasons"] == []


def test_a_compiled_model_is_told_as_it_is(model):
    image = model.unary("QUANTIZE", model.tensor(1, 8, dtype="float32"))
    inner = model.unary("edgetpu-custom-op", image, custom=True)
    after = model.unary("GATHER", inner)
    report = predict(model.graph(model.unary("RELU", after)))
    assert [operator.status for operator in report.operators] == [
        Status.UNSPECIFIED,
        Status.COMPILED,
        Status.NOT_SUPPORTED,
        Status.ONE_SUBGRAPH,
    ]
    assert (report.mapped_operators, report.subgraphs) == (1, 1)


def test_how_often_a_rule_was_seen_is_said_of_what_the_operator_decides(model):
    count = {
        operator.status: operator.seen_in_models
        for operator in predict(broken_chain(model)).operators
    }
    assert count[Status.ONE_SUBGRAPH] is None  # the graph decides
    pooled = model.unary("MAX_POOL_2D", model.tensor(1, 8, 8, 4), (1, 4, 4, 4))
    assert predict(model.graph(pooled)).operators[-1].seen_in_models >= 5


def test_the_report_as_data(model):
    data = predict(broken_chain(model)).to_dict()
    assert json.loads(json.dumps(data)) == data
    assert sorted(data) == [
        "evidence",
        "mapped_operators",
        "mapped_share",
        "operators",
        "operators_total",
        "reasons",
        "runtime_version",
        "subgraphs",
        "subgraphs_default",
        "subgraphs_multiple",
        "unknown_operators",
    ]
    assert data["evidence"] == "predicted"
    assert data["runtime_version"] == 14
    assert data["operators"][0] == {
        "index": 0,
        "name": "t1",
        "provenance": "documented",
        "rule": "no limitation",
        "seen_in_models": 0,
        "status": "Mapped to Edge TPU",
        "target": "edgetpu",
        "type": "RELU",
    }
    assert data["reasons"] == [
        {
            "count": 2,
            "status": "More than one subgraph is not supported",
            "target": "cpu",
            "type": "RELU",
        },
        {
            "count": 1,
            "status": "Operation not supported",
            "target": "cpu",
            "type": "GATHER",
        },
    ]


def test_a_model_without_operators_maps_nothing(model):
    report = predict(model.graph(model.tensor(1, 8)))
    assert (report.operators, report.mapped_share, report.subgraphs) == ((), 0.0, 0)


@pytest.mark.parametrize("version", [9, 15])
def test_a_runtime_that_does_not_exist_is_refused(model, version):
    with pytest.raises(ParameterError, match=f"Found: {version}"):
        predict(broken_chain(model), version)


def test_the_import_is_light():
    code = (
        "import sys, quantline.edgetpu;"
        "assert not {'tensorflow', 'mlflow', 'kedro'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
