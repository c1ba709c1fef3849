"""The change of the mean confidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantline.metrics._change import judge_bounds, mean_change
from quantline.metrics._metric import Metric, Rule
from quantline.registry import Parameter

if TYPE_CHECKING:
    from quantline.metrics._metric import Comparison, Judgement
    from quantline.stats.interval import Interval


def change(compared: Comparison) -> Interval:
    """Return the change of the mean confidence, candidate minus reference."""
    pairs = compared.pairs
    return mean_change(compared, pairs.candidate["confidence"] - pairs.reference["confidence"])


def judge(compared: Comparison, change: Interval, margin: float) -> Judgement:
    """Judge the change of the mean confidence: it may be off by the margin, either way."""
    limit = {"min": -margin, "max": margin}
    return judge_bounds(compared, "mean confidence", change, limit)


METRIC = Metric(
    name="confidence",
    label="confidence",
    summary="the mean probability of the predicted class; only its change is reported",
    rule=Rule(
        Parameter(
            "confidence_margin",
            default=None,
            meaning="by how much the mean confidence may be off, either way",
            above=0,
        ),
        judge,
        change,
        report_as="confidence_change",
    ),
    order=40,
)
