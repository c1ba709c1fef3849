"""The change class by class: against scipy, and against a published example."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest
from tests.evaluation.tables import predictions

from quantline.evaluation.pairs import pair
from quantline.metrics.regressed_classes import class_changes, holm, mcnemar


@pytest.mark.parametrize(
    ("lost", "won"), [(0, 0), (1, 0), (0, 1), (9, 2), (33, 27), (3, 40), (900, 700)]
)
def test_mcnemars_test_is_scipys_binomial(lost: int, won: int) -> None:
    expected = binomtest(lost, lost + won, alternative="greater").pvalue if lost + won else 1.0
    assert mcnemar(lost, won) == pytest.approx(expected, rel=1e-9)


def test_many_changed_examples_do_not_overflow() -> None:
    assert mcnemar(5000, 5000) == pytest.approx(0.504, abs=0.001)


def test_holms_procedure() -> None:
    # In ascending order times 4, 3, 2 and 1, and never less than the one before.
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_a_class_that_fell_is_found_among_many() -> None:
    labels = [label for label in range(20) for _ in range(50)]
    right: list[int | None] = [0] * len(labels)
    candidate = list(right)
    candidate[350:365] = [1] * 15  # of class 7
    candidate[0:3] = [2] * 3  # of class 0: may be chance
    found = class_changes(pair(predictions(labels, right), predictions(labels, candidate)))
    assert [item.label for item in found] == list(range(20))
    assert [item.label for item in found if item.fell] == [7]
    seven = found[7].to_dict()
    assert (seven["lost"], seven["won"], seven["examples"]) == (15, 0, 50)
    assert seven["change_points"] == -30.0
    assert seven["p_value"] == 0.5**15
    assert seven["adjusted_p_value"] == 20 * 0.5**15


def test_no_class_fell_more_often_than_promised_by_chance() -> None:
    rng = np.random.default_rng(4)
    alarms = 0
    for _ in range(400):
        lost = rng.binomial(40, 0.5, size=100)
        alarms += min(holm([mcnemar(int(value), 40 - int(value)) for value in lost])) <= 0.05
    assert alarms / 400 <= 0.07
