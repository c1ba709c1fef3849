"""Changes that are estimated by the bootstrap, and the judgement of their bounds."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Literal

from quantline.metrics._metric import Judgement

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from quantline.metrics._metric import Comparison, Metric
    from quantline.metrics._rows import Rows
    from quantline.stats.interval import Interval

Verdict = Literal["no worse", "worse", "undecided"]


def mean_change(compared: Comparison, differences: np.ndarray) -> Interval:
    """Return the mean of each example's change with one-sided bounds.

    Args:
        compared: The candidate and the reference.
        differences: The candidate's value minus the reference's, array of shape (n_examples,).
    """
    from quantline.stats.bootstrap import bootstrap_mean

    return bootstrap_mean(differences, compared.confidence, compared.seed, compared.resamples)


def statistic_change(compared: Comparison, statistic: Callable[[Rows], float]) -> Interval:
    """Return the change of any statistic of the examples with one-sided bounds.

    Args:
        compared: The candidate and the reference.
        statistic: Gives the statistic of one model from its rows.
    """
    from quantline.stats.bootstrap import bootstrap

    def change(at: np.ndarray) -> float:
        pairs = compared.pairs
        return statistic(pairs.candidate.take(at)) - statistic(pairs.reference.take(at))

    return bootstrap(
        change, len(compared.pairs), compared.confidence, compared.seed, compared.resamples
    )


def judge_margin(
    metric: Metric, compared: Comparison, change: Interval, margin: float
) -> Judgement:
    """Judge the change of a metric: it may be worse by the margin.

    Args:
        metric: The metric.
        compared: The candidate and the reference.
        change: The change and its bounds.
        margin: The margin, in the metric's own unit; above 0.
    """
    limit = {"max": margin} if metric.lower_is_better else {"min": -margin}
    reason = metric.too_few(compared.pairs.reference)
    if reason is None:
        return judge_bounds(compared, metric.label, change, limit)
    why = (
        f"The {metric.label} changes by {change.value:+.4f} against {compared.name}, which decides "
        f"nothing: {reason}."
    )
    return Judgement("undecided", why, limit=limit, value=change.value)


def judge_bounds(
    compared: Comparison, what: str, change: Interval, limit: dict[str, float]
) -> Judgement:
    """Judge a change by its bounds.

    Args:
        compared: The candidate and the reference.
        what: What changes, as it is called in a sentence.
        change: The change and its bounds.
        limit: The allowed change: ``min``, ``max`` or both.
    """
    least, most = limit.get("min", -inf), limit.get("max", inf)
    if least < change.low and change.high < most:
        verdict: Verdict = "no worse"
    elif change.low > most or change.high < least:
        verdict = "worse"
    else:
        verdict = "undecided"
    allowed = f"{least:+g} to {most:+g}" if len(limit) > 1 else f"up to {most:+g}"
    if "max" not in limit:
        allowed = f"down to {least:+g}"
    why = (
        f"The {what} changes by {change.value:+.4f} against {compared.name}, between "
        f"{change.low:+.4f} and {change.high:+.4f} at {compared.percent} confidence; "
        f"{allowed} is allowed."
    )
    return Judgement(
        verdict,
        why,
        limit=limit,
        value=change.value,
        interval=(change.low, change.high),
    )
