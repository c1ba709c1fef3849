"""Count how often the bounds of the paired bootstrap miss the true change of a metric.

    python benchmarks/coverage_of_metrics.py [--draws 400] [--json build/coverage_of_metrics.json]

Two models that share most of their noise are drawn from a known distribution; the true change of
each metric is that of a million examples. Each bound is one-sided at 95 %, so that 5 % of the draws
may lie beyond it. 'Missed above' is what a release suffers from: the change is worse than the lower
bound says of a metric of which higher is better.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from quantline.metrics import Comparison, Pairs, Rows
from quantline.metrics._statistic import metric_change
from quantline.tasks import TASKS

if TYPE_CHECKING:
    from collections.abc import Callable

    from quantline.metrics import Metric

EXAMPLES = (100, 300, 1000)
TRUTH = 1_000_000
RESAMPLES = 500
CLASSES = 4


@dataclass(frozen=True)
class Row:
    """One case.

    Attributes:
        metric: The task and its metric.
        examples: The number of examples of a draw.
        change: The true change, candidate minus reference.
        below: The share of the draws whose lower bound is above the true change, in per cent.
        above: The share of the draws whose upper bound is below it, in per cent.
    """

    metric: str
    examples: int
    change: float
    below: float
    above: float


def binary(rng: np.random.Generator, count: int) -> tuple[Rows, Rows]:
    """Draw scores of a good model and of one with a little more noise; one in five is positive."""
    labels = (rng.uniform(size=count) < 0.2).astype(int)
    scores = 1.5 * labels + rng.normal(size=count)
    return tuple(
        _rows(label=labels, score=scores + noise * rng.normal(size=count)) for noise in (0.05, 0.3)
    )  # type: ignore[return-value]


def regression(rng: np.random.Generator, count: int) -> tuple[Rows, Rows]:
    """Draw numbers with errors of heavy tails."""
    labels = rng.normal(size=count)
    values = labels + 0.3 * rng.standard_t(4, size=count)
    return tuple(
        _rows(label=labels[:, None], value=(values + noise * rng.normal(size=count))[:, None])
        for noise in (0.02, 0.15)
    )  # type: ignore[return-value]


def segmentation(rng: np.random.Generator, count: int) -> tuple[Rows, Rows]:
    """Draw images of 400 pixels in classes of unequal size; the last one is in few images."""
    shares = rng.dirichlet((4.0, 2.0, 1.0, 0.15), size=count)
    labels = np.round(400 * shares).astype(int)
    quality = rng.beta(12, 2, size=count)[:, None]
    rows = []
    for worse in (0.0, 0.02):
        right = rng.binomial(labels, np.clip(quality - worse, 0, 1))
        wrong = (labels - right).sum(axis=1)
        elsewhere = rng.multinomial(wrong, np.full(CLASSES, 1 / CLASSES))
        rows.append(_rows(label_pixels=labels, right_pixels=right, found_pixels=right + elsewhere))
    return rows[0], rows[1]


def multi_label(rng: np.random.Generator, count: int) -> tuple[Rows, Rows]:
    """Draw scores for a frequent, a usual and a rare class."""
    labels = (rng.uniform(size=(count, 3)) < (0.5, 0.2, 0.05)).astype(int)
    scores = 1.5 * labels + rng.normal(size=labels.shape)
    return tuple(
        _rows(label=labels, score=scores + noise * rng.normal(size=labels.shape))
        for noise in (0.05, 0.3)
    )  # type: ignore[return-value]


CASES: tuple[tuple[str, str, Callable[..., tuple[Rows, Rows]]], ...] = (
    ("binary", "auc", binary),
    ("multi_label", "mean_average_precision", multi_label),
    ("regression", "mae", regression),
    ("regression", "rmse", regression),
    ("regression", "r2", regression),
    ("regression", "worst_error", regression),
    ("segmentation", "mean_iou", segmentation),
)


def measure(task: str, name: str, draw: Callable[..., tuple[Rows, Rows]], draws: int) -> list[Row]:
    """Count the misses of one metric for each number of examples."""
    values = {item.name: item.default for item in TASKS[task].parameters}
    metric = {item.name: item for item in TASKS[task].metrics(values, [])}[name]
    truth = _change(metric, *draw(np.random.default_rng(1), TRUTH))
    rows = []
    for examples in EXAMPLES:
        below = above = 0
        for seed in range(draws):
            first, second = draw(np.random.default_rng(1000 + seed), examples)
            compared = Comparison("", Pairs(first, second), 0.95, seed, RESAMPLES)
            found = metric_change(metric, compared, 0.95)
            below += found.low > truth
            above += found.high < truth
        shares = (100 * below / draws, 100 * above / draws)
        rows.append(Row(f"{task} {name}", examples, truth, *shares))
        print(f"{rows[-1].metric:36} {examples:6} {truth:+.4f} {shares[0]:5.1f} {shares[1]:5.1f}")
    return rows


def _change(metric: Metric, first: Rows, second: Rows) -> float:
    assert metric.statistic is not None  # noqa: S101 - the cases name such metrics
    one, other = metric.statistic(first), metric.statistic(second)
    weights = np.ones(len(first), int)
    return other(weights) - one(weights)


def _rows(**columns: np.ndarray) -> Rows:
    count = len(next(iter(columns.values())))
    return Rows(np.arange(count), columns)


def main() -> None:
    """Measure every case and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=400)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    print("metric, examples, true change, % missed below, % missed above; 5 are promised")
    rows = [row for case in CASES for row in measure(*case, arguments.draws)]
    if arguments.json is not None:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")


if __name__ == "__main__":
    main()
