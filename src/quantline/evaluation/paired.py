"""Two models on the same examples: how often they agree, and what changing costs."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.errors import ResultMissing
from quantline.stats.interval import Interval, Z, spread, wilson

if TYPE_CHECKING:
    import pyarrow as pa


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


def compare(float_predictions: pa.Table, int8_predictions: pa.Table) -> dict[str, Any]:
    """Compare the int8 model's predictions with the float model's on the same examples.

    Returns:
        ``agreement`` (the share of equal top-1 predictions) and, of the labelled examples,
        ``top1_drop_points`` (float minus int8, in percentage points), each with ``_low`` and
        ``_high``; ``lost`` and ``won``: the examples that only float, or only int8, has right.

    Raises:
        ResultMissing: The two tables are not of the same examples.
    """
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


def require_same_examples(first: pa.Table, second: pa.Table) -> None:
    """Check that two tables of predictions are of the same examples with the same labels.

    Raises:
        ResultMissing: They are not.
    """
    if first.select(["id", "label"]).equals(second.select(["id", "label"])):
        return
    raise ResultMissing(
        "The two models were not evaluated on the same examples",
        found=f"{len(first)} and {len(second)} predictions, of other examples or labels",
        expected="the same examples with the same labels in the same order",
        remedy="Evaluate both on the examples of one manifest; in the pipeline, run 'baseline' "
        "again, and what follows it",
    )


def per_class(float_predictions: pa.Table, int8_predictions: pa.Table) -> list[dict[str, Any]]:
    """Return each class's share of right predictions, for both models, by ascending class."""
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
