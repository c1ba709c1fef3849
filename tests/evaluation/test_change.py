"""Class by class and by the bootstrap: against scipy, and against a published example."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import binomtest, bootstrap

from quantline.errors import ResultMissing
from quantline.evaluation.bootstrap import bootstrap_mean
from quantline.evaluation.pairs import pair
from quantline.evaluation.per_class import class_changes, holm, mcnemar
from quantline.evaluation.predict import SCHEMA


def predictions(labels: list[int | None], ranks: list[int | None]) -> pa.Table:
    count = len(labels)
    losses = [None if rank is None else float(rank) for rank in ranks]
    columns = {
        "id": [f"example {row}" for row in range(count)],
        "label": labels,
        "prediction": [0] * count,
        "label_rank": ranks,
        "confidence": [0.5] * count,
        "loss": losses,
    }
    return pa.table(columns, schema=SCHEMA)


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


def test_pairs_leave_unlabelled_examples_out_and_refuse_others() -> None:
    first = predictions([1, None, 2, 2], [0, None, 7, 0])
    second = predictions([1, None, 2, 2], [3, None, 0, 0])
    got = pair(first, second)
    assert got.ids.tolist() == ["example 0", "example 2", "example 3"]
    assert got.lost().tolist() == [True, False, False]
    assert got.won().tolist() == [False, True, False]
    assert got.lost(within=5).tolist() == [False, False, False]
    assert got.loss_change.tolist() == [3.0, -7.0, 0.0]
    with pytest.raises(ResultMissing, match="not evaluated on the same examples"):
        pair(first, second.slice(1))
    with pytest.raises(ResultMissing, match="other examples or labels"):
        pair(first, predictions([1, None, 2, 3], [0, None, 7, 0]))


@pytest.mark.parametrize("seed", range(3))
def test_the_bootstrap_is_scipys_bca(seed: int) -> None:
    skewed = np.random.default_rng(seed).gamma(0.3, size=80) - 0.3
    got = bootstrap_mean(skewed, confidence=0.95, seed=seed, resamples=4000)
    expected = bootstrap(
        (skewed,), np.mean, confidence_level=0.9, n_resamples=4000, method="BCa", rng=seed
    ).confidence_interval
    width = expected.high - expected.low
    assert got.value == skewed.mean()
    assert got.low == pytest.approx(expected.low, abs=0.05 * width)
    assert got.high == pytest.approx(expected.high, abs=0.05 * width)


def test_the_bootstrap_is_seeded_and_knows_what_does_not_vary() -> None:
    values = np.random.default_rng(0).normal(size=50)
    assert bootstrap_mean(values, seed=1) == bootstrap_mean(values, seed=1)
    assert bootstrap_mean(values, seed=1) != bootstrap_mean(values, seed=2)
    assert bootstrap_mean(np.full(9, 0.25)) == (0.25, 0.25, 0.25)


def test_the_bootstraps_upper_bound_is_one_sided() -> None:
    rng = np.random.default_rng(8)
    samples = rng.exponential(size=(250, 60)) - 1
    missed = [bootstrap_mean(sample, resamples=200).high < 0 for sample in samples]
    assert np.mean(missed) == pytest.approx(0.06, abs=0.045)
