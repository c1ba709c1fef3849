"""The mean loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantline.metrics._change import judge_bounds, mean_change
from quantline.metrics._metric import Metric, Rule
from quantline.registry import Parameter

if TYPE_CHECKING:
    from quantline.metrics._metric import Comparison, Judgement
    from quantline.metrics._rows import Rows
    from quantline.stats.interval import Interval


def loss(rows: Rows) -> Interval:
    """Return the mean cross-entropy."""
    from quantline.stats.interval import mean

    return mean(rows["loss"])


def change(compared: Comparison) -> Interval:
    """Return the change of the mean loss, candidate minus reference."""
    pairs = compared.pairs
    return mean_change(compared, pairs.candidate["loss"] - pairs.reference["loss"])


def judge(compared: Comparison, change: Interval, margin: float) -> Judgement:
    """Judge the change of the mean loss: it may be higher by the margin."""
    return judge_bounds(compared, "loss", change, {"max": margin})


METRIC = Metric(
    name="loss",
    label="loss",
    summary="the mean cross-entropy, in nats",
    score=loss,
    is_share=False,
    rule=Rule(
        Parameter(
            "loss_margin", default=0.05, meaning="by how much the loss may be higher", above=0
        ),
        judge,
        change,
        report_as="loss_change",
    ),
    order=30,
)
