"""Metrics that are any statistic of the examples, estimated and compared by the bootstrap."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantline.errors import DataError
from quantline.metrics._metric import Metric

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from quantline.metrics._metric import Comparison
    from quantline.metrics._rows import Rows
    from quantline.stats.interval import Interval

_RESAMPLES = 1000  # of one model's interval


def estimated(
    name: str,
    label: str,
    summary: str,
    statistic: Callable[[Rows], Callable[[np.ndarray], float]],
    *,
    lower_is_better: bool = False,
    is_share: bool = True,
    margin: float | None = None,
    too_few: Callable[[Rows], str | None] = lambda _: None,
) -> Metric:
    """Declare a metric by its statistic.

    Args:
        name: Its key in the reports.
        label: Its name in tables.
        summary: The documentation: a phrase.
        statistic: As in :class:`Metric`.
        lower_is_better: Whether a lower value is the better one.
        is_share: Whether it lies between 0 and 1 and is shown in per cent.
        margin: By how much it may be worse where the user says nothing.
        too_few: As in :class:`Metric`.
    """

    def score(rows: Rows) -> Interval:
        from quantline.stats.bootstrap import bootstrap_weighted

        return bootstrap_weighted(
            defined(name, statistic(rows), len(rows)), len(rows), 0.975, resamples=_RESAMPLES
        )

    return Metric(
        name, label, summary, score, is_share, statistic=statistic,
        lower_is_better=lower_is_better, margin=margin, too_few=too_few,
    )  # fmt: skip


def mean_of(column: str) -> Callable[[Rows], Callable[[np.ndarray], float]]:
    """Return the statistic that is the mean of a column."""

    def prepare(rows: Rows) -> Callable[[np.ndarray], float]:
        values = rows[column].astype(float)
        return lambda weights: float(weights @ values / weights.sum())

    return prepare


def metric_change(metric: Metric, compared: Comparison, confidence: float) -> Interval:
    """Return the change of a metric with a statistic, candidate minus reference, with bounds.

    Examples are drawn with both models' results together, so that what they share cancels.

    Args:
        metric: A metric that has a statistic.
        compared: The candidate and the reference.
        confidence: The confidence of either bound, one-sided.
    """
    from quantline.stats.bootstrap import bootstrap_weighted

    assert metric.statistic is not None  # noqa: S101 - the caller sees to it
    pairs = compared.pairs
    first, second = (
        defined(metric.name, metric.statistic(rows), len(rows))
        for rows in (pairs.reference, pairs.candidate)
    )
    return bootstrap_weighted(
        lambda weights: second(weights) - first(weights),
        len(pairs), confidence, compared.seed, compared.resamples,
    )  # fmt: skip


def defined(
    name: str, statistic: Callable[[np.ndarray], float], count: int
) -> Callable[[np.ndarray], float]:
    """Return a statistic as it is, if all examples together have one.

    Raises:
        DataError: It is NaN or infinite for them.
    """
    import numpy as np

    value = statistic(np.ones(count, int))
    if not np.isfinite(value):
        raise DataError(
            f"The metric '{name}' is not a number on these examples",
            found=f"{value} on {count:,} examples",
            expected="a finite number",
            remedy="Evaluate on examples of every kind that the metric compares, such as positive "
            "and negative ones; of a metric of your own, check what it returns",
        )
    return statistic
