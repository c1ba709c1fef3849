"""Margins of metrics that the bootstrap estimates."""

from __future__ import annotations

import numpy as np
import pytest

from quantline import recipe
from quantline.metrics import Comparison, Metric, Pairs, Rows
from quantline.metrics._change import judge_margin
from quantline.metrics._statistic import metric_change

RNG = np.random.default_rng(4)


def metric(kind: str, name: str) -> Metric:
    return recipe.check(recipe.Task, {"kind": kind}).chosen().metrics([])[name]


def regressions(count: int, worse: float) -> Comparison:
    labels = RNG.normal(size=(count, 1))
    values = labels + RNG.normal(0, 0.5, labels.shape)
    rows = [
        Rows(np.arange(count), {"label": labels, "value": labels + (values - labels) * factor})
        for factor in (1.0, 1.0 + worse)
    ]
    return Comparison("the float model", Pairs(*rows), 0.95, 0, 300)


@pytest.mark.parametrize(
    ("worse", "verdict"), [(0.0, "no worse"), (0.05, "no worse"), (1.0, "worse")]
)
def test_a_lower_metric_may_rise_by_the_margin(worse: float, verdict: str) -> None:
    compared = regressions(400, worse)
    change = metric_change(metric("regression", "mae"), compared, 0.95)
    found = judge_margin(metric("regression", "mae"), compared, change, 0.05)
    assert (found.verdict, found.limit) == (verdict, {"max": 0.05})
    assert found.interval == (change.low, change.high)


def test_a_higher_metric_may_fall_by_the_margin() -> None:
    compared = regressions(400, 0.3)
    change = metric_change(metric("regression", "r2"), compared, 0.95)
    assert change.low < change.value < change.high < 0
    for margin, verdict in ((0.5, "no worse"), (abs(change.value), "undecided"), (1e-6, "worse")):
        found = judge_margin(metric("regression", "r2"), compared, change, margin)
        assert (found.verdict, found.limit) == (verdict, {"min": -margin})


def test_too_few_examples_decide_nothing() -> None:
    worst = metric("regression", "worst_error")
    for count, verdict in ((300, "undecided"), (1000, "no worse")):
        compared = regressions(count, 0.0)
        change = metric_change(worst, compared, 0.95)
        found = judge_margin(worst, compared, change, 0.5)
        assert found.verdict == verdict
        assert ("1,000 are needed" in found.why) is (count == 300)
    auc = metric("binary", "auc")
    labels = np.array([1] * 5 + [0] * 200)
    rows = Rows(np.arange(205), {"label": labels, "score": labels + RNG.normal(size=205)})
    assert auc.too_few(rows) == "there are 5 positive or negative examples, and 20 are needed"
    assert auc.too_few(rows.take(np.arange(205).repeat(4))) is None
