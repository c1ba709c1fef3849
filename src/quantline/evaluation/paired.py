"""Two models on the same examples: how often they agree, and what changing costs."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.evaluation.pairs import pair, require_same_examples
from quantline.evaluation.predict import CLASSIFICATION
from quantline.metrics import Comparison
from quantline.metrics._statistic import metric_change
from quantline.stats.interval import Interval, Z, spread, wilson
from quantline.tasks import DEFAULT

if TYPE_CHECKING:
    import pyarrow as pa

    from quantline.metrics import Pairs
    from quantline.tasks import ChosenTask

_CONFIDENCE = 0.975  # of either bound: an interval of 95 %
_RESAMPLES = 1000


def paired_difference(only_first: int, only_second: int, total: int) -> Interval:
    """Return the difference of two proportions on the same examples, first minus second.

    The interval is the adjusted Wald interval: D. G. Bonett and R. M. Price, Adjusted Wald
    confidence interval for a difference of binomial proportions based on paired data, Journal of
    Educational and Behavioral Statistics 37 (2012), 479-488.

    Args:
        only_first: Examples that only the first model has right.
        only_second: Examples that only the second model has right.
        total: All examples; above 0.
    """
    p12, p21 = (only_first + 1) / (total + 2), (only_second + 1) / (total + 2)
    half = Z * sqrt((p12 + p21 - (p12 - p21) ** 2) / (total + 2))
    centre = p12 - p21
    return Interval((only_first - only_second) / total, centre - half, centre + half)


def compare(
    float_predictions: pa.Table, int8_predictions: pa.Table, task: ChosenTask = CLASSIFICATION
) -> dict[str, Any]:
    """Compare the int8 model's predictions with the float model's on the same examples.

    Returns:
        ``examples``; of each metric that the bootstrap estimates its change, int8 minus float, as
        ``{name}_change``, with ``_low`` and ``_high``; and, of a task in which an example is right
        or wrong, ``lost`` and ``won``: the examples that only float, or only int8, has right. Of a
        classifier also ``agreement`` (the share of equal top-1 predictions) and, where labelled,
        ``top1_drop_points`` (float minus int8, in percentage points), each with ``_low`` and
        ``_high``.

    Raises:
        ResultMissing: The two tables are not of the same examples.
    """
    if task.name != DEFAULT.name:
        return _compare_task(pair(float_predictions, int8_predictions), task)
    require_same_examples(float_predictions, int8_predictions)
    same = float_predictions["prediction"].to_numpy() == int8_predictions["prediction"].to_numpy()
    result: dict[str, Any] = {"examples": len(same)}
    result |= spread("agreement", wilson(int(same.sum()), len(same)))
    first = float_predictions["label_rank"].drop_null().to_numpy() == 0
    second = int8_predictions["label_rank"].drop_null().to_numpy() == 0
    if len(first):
        lost, won = int((first & ~second).sum()), int((~first & second).sum())
        drop = paired_difference(lost, won, len(first))
        result |= spread("top1_drop_points", Interval(*(100 * value for value in drop)))
        result |= {"lost": lost, "won": won}
    return result


def _compare_task(pairs: Pairs, task: ChosenTask) -> dict[str, Any]:
    result: dict[str, Any] = {"examples": len(pairs)}
    if not len(pairs):
        return result
    compared = Comparison("the reference", pairs, _CONFIDENCE, seed=0, resamples=_RESAMPLES)
    for name, metric in task.metrics(list(pairs.reference.columns)).items():
        if metric.statistic is not None:
            result |= spread(f"{name}_change", metric_change(metric, compared, _CONFIDENCE))
    if pairs.reference.right() is not None:
        result |= {"lost": int(pairs.lost().sum()), "won": int(pairs.won().sum())}
    return result


def per_class(float_predictions: pa.Table, int8_predictions: pa.Table) -> list[dict[str, Any]]:
    """Return each class's share of right predictions, for both models, by ascending class.

    It is empty for other models than classifiers.
    """
    if "label_rank" not in float_predictions.column_names:
        return []
    labelled = float_predictions["label"].is_valid().to_numpy(zero_copy_only=False)
    labels = float_predictions["label"].drop_null().to_numpy()
    right = {
        name: table["label_rank"].to_numpy()[labelled] == 0
        for name, table in (("float", float_predictions), ("int8", int8_predictions))
    }
    return [
        {
            "class": int(label),
            "examples": int((labels == label).sum()),
            **{
                f"{name}_top1": float(value[labels == label].mean())
                for name, value in right.items()
            },
        }
        for label in np.unique(labels)
    ]
