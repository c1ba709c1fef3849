"""Top-1 accuracy."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from quantline.metrics._accuracy import accuracy, judge_accuracy
from quantline.metrics._metric import Metric, Rule
from quantline.registry import Parameter

if TYPE_CHECKING:
    from quantline.metrics._metric import Comparison, Judgement


def judge(compared: Comparison, change: None, margin: float) -> Judgement:
    """Judge the change of top-1 accuracy by a noninferiority test."""
    return judge_accuracy(compared, margin, 1)


METRIC = Metric(
    name="top1",
    label="top-1",
    summary="the share of examples whose label is the model's first class",
    score=partial(accuracy, within=1),
    rule=Rule(
        Parameter(
            "top1_margin_points",
            default=1.0,
            meaning="how much worse top-1 may be, in percentage points",
            above=0,
        ),
        judge,
    ),
    order=10,
)
