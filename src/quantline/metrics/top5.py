"""Top-5 accuracy."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from quantline.metrics._accuracy import accuracy, judge_accuracy
from quantline.metrics._metric import Metric, Rule
from quantline.registry import Parameter

if TYPE_CHECKING:
    from quantline.metrics._metric import Comparison, Judgement


def judge(compared: Comparison, change: None, margin: float) -> Judgement:
    """Judge the change of top-5 accuracy by a noninferiority test."""
    return judge_accuracy(compared, margin, 5)


METRIC = Metric(
    name="top5",
    label="top-5",
    summary="the share of examples whose label is among the first five classes, of more than five",
    score=partial(accuracy, within=5),
    least_classes=6,
    rule=Rule(
        Parameter(
            "top5_margin_points",
            default=None,
            meaning="how much worse top-5 may be, in percentage points",
            above=0,
        ),
        judge,
    ),
    order=20,
)
