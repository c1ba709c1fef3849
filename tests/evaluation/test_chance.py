"""A model at chance level is said to be so, and no other; scipy's binomial test is the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.stats import binomtest
from tests.evaluation.tables import tabulate

from quantline.evaluation.chance import no_better_than_chance

if TYPE_CHECKING:
    import pyarrow as pa

CLASSES = 12


def table(labels: np.ndarray, answers: np.ndarray) -> pa.Table:
    scores = np.log(np.full((len(labels), CLASSES), 0.01))
    scores[np.arange(len(labels)), answers] = np.log(0.8)
    rows = zip(labels.tolist(), scores, strict=True)
    return tabulate((str(at), *row) for at, row in enumerate(rows))


def finding(labels: Any, answers: Any, transform: Any = ()) -> Any:
    return no_better_than_chance(
        table(np.asarray(labels), np.asarray(answers)), CLASSES, str(transform or "none")
    )


rng = np.random.default_rng(1)
EVEN = rng.integers(0, CLASSES, 2000)
MOSTLY = np.where(rng.random(2000) < 0.95, 3, EVEN)


@pytest.mark.parametrize("labels", [EVEN, MOSTLY])
@pytest.mark.parametrize("answers", [np.zeros(2000, int), np.full(2000, 3), EVEN[::-1]])
def test_answers_that_have_nothing_to_do_with_the_labels(
    labels: np.ndarray, answers: np.ndarray
) -> None:
    found = finding(labels, answers, [{"rescale": {"scale": 0.5}}])
    assert (found.name, found.severity) == ("chance_level", "warning")
    share = (labels == answers).mean()
    assert f"right on {share:.1%} of 2,000 examples" in found.found
    assert found.remedy.startswith("Compare `transform` (")
    assert "'rescale'" in found.remedy
    assert "(none)" in finding(labels, answers).remedy


def answered(labels: np.ndarray, share: float) -> np.ndarray:
    """Return answers of which this share is right, and the others are any class."""
    chosen = np.random.default_rng(2).random(len(labels)) < share
    return np.where(chosen, labels, np.random.default_rng(3).integers(0, CLASSES, len(labels)))


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 1.0])
def test_a_model_that_knows_something_is_silent(share: float) -> None:
    assert finding(EVEN, answered(EVEN, share)) is None


def test_a_good_model_on_a_set_that_is_almost_all_of_one_class_is_silent() -> None:
    answers = np.where(rng.random(2000) < 0.06, EVEN[::-1], MOSTLY)
    assert (answers == MOSTLY).mean() < (MOSTLY == 3).mean()
    assert finding(MOSTLY, answers) is None


def test_a_weak_model_is_not_better_than_one_answer() -> None:
    answers = answered(MOSTLY, 0.3)
    right = int((answers == MOSTLY).sum())
    assert binomtest(right, 2000, (MOSTLY == 3).mean(), "greater").pvalue > 0.05
    assert finding(MOSTLY, answers) is not None


@pytest.mark.parametrize("count", [1, 3, 20])
def test_few_examples_that_are_right_are_no_chance(count: int) -> None:
    assert finding(EVEN[:count], EVEN[:count]) is None


def test_without_labels_nothing_is_said() -> None:
    unlabelled = tabulate((str(at), None, np.log(np.full(CLASSES, 1 / CLASSES))) for at in range(3))
    assert no_better_than_chance(unlabelled, CLASSES, "none") is None
