"""Statistics of rankings against scikit-learn, with and without weights."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from quantline.tasks._ranking import area_under_curve, average_precision


def examples(seed: int, ties: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, 60)
    scores = labels * 0.4 + rng.normal(size=60)
    if ties:
        scores = np.round(scores)
    return labels, scores, rng.multinomial(60, np.full(60, 1 / 60))


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_they_are_scikit_learns(seed: int, ties: bool) -> None:
    labels, scores, weights = examples(seed, ties)
    again = np.repeat(np.arange(60), weights)  # what the weights stand for
    every = np.ones(60, int)
    for at, drawn in ((np.arange(60), every), (again, weights)):
        assert area_under_curve(labels, scores)(drawn) == pytest.approx(
            roc_auc_score(labels[at], scores[at])
        )
        assert average_precision(labels, scores)(drawn) == pytest.approx(
            average_precision_score(labels[at], scores[at])
        )
        for most in (0.05, 0.1, 0.5):
            assert area_under_curve(labels, scores, most)(drawn) == pytest.approx(
                roc_auc_score(labels[at], scores[at], max_fpr=most)
            )


def test_they_are_nan_without_examples_of_both_kinds() -> None:
    labels, scores = np.array([1, 1, 0]), np.array([0.1, 0.2, 0.3])
    assert np.isnan(area_under_curve(labels, scores)(np.array([1, 2, 0])))
    assert np.isnan(average_precision(labels, scores)(np.array([0, 0, 3])))
