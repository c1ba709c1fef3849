"""The comparison of paired losses, against scipy and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from quantline.quantization.judging import Losses
from quantline.quantization.paired import LEVEL, compare, standard_errors_needed

RNG = np.random.default_rng(3)


def losses(*outputs: np.ndarray, agreement: np.ndarray | None = None) -> Losses:
    return Losses(
        tuple({"values": output} for output in outputs), () if agreement is None else (agreement,)
    )


@pytest.mark.parametrize("samples", [8, 15, 50, 150])
@pytest.mark.parametrize("comparisons", [1, 19, 45])
def test_it_is_students_quantile(samples: int, comparisons: int) -> None:
    expected = scipy.stats.t.ppf(1 - LEVEL / comparisons, samples - 1)
    assert standard_errors_needed(samples, comparisons) == pytest.approx(expected, rel=2e-3)


def test_outputs_weigh_alike_whatever_their_losses_are() -> None:
    small, large = RNG.uniform(0.5, 1, 40), 1e6 * RNG.uniform(0.5, 1, 40)
    found = compare(losses(small, large), losses(0.5 * small, 0.9 * large))
    assert found.improvement == pytest.approx(0.3)
    shares = (0.5 * small / small.mean() + 0.1 * large / large.mean()) / 2
    assert found.standard_error == pytest.approx(scipy.stats.sem(shares))
    gains = ((1 - 0.5) / (1 + 0.5) + (1 - 0.9) / (1 + 0.9)) / 2
    assert found.gain == pytest.approx(gains)
    assert found.gain_error == pytest.approx(0, abs=1e-9)
    assert not found.is_worse
    assert found.is_better(3.0)


def test_an_output_that_is_worse_is_seen_behind_one_that_is_better() -> None:
    first, second = RNG.uniform(0.5, 1, (2, 40))
    found = compare(losses(first, second), losses(0.1 * first, 1.5 * second))
    assert found.improvement > 0
    assert found.is_worse
    assert not found.is_no_worse


def test_most_samples_do_not_outweigh_a_few_that_are_ruined() -> None:
    before = RNG.uniform(0.5, 1, 40)
    after = 0.8 * before
    after[:2] += 10
    found = compare(losses(before), losses(after))
    assert found.gain > 0.05
    assert not found.is_no_worse


def test_one_sample_of_a_large_loss_does_not_hide_that_all_gain() -> None:
    before = RNG.uniform(0.5, 1, 15)
    before[0] = 100
    found = compare(losses(before), losses(before * RNG.uniform(0.05, 0.2, 15)))
    assert found.improvement < 3 * found.standard_error
    assert found.is_better(3.3)


@pytest.mark.parametrize(("lost", "won", "kept"), [(0, 0, True), (1, 0, True), (2, 0, False),
                                                   (9, 3, False), (9, 6, True)])  # fmt: skip
def test_agreement_is_a_guard(lost: int, won: int, kept: bool) -> None:
    before, after = np.ones(40), np.ones(40)
    after[:lost] = 0
    before[lost : lost + won] = 0
    loss = RNG.uniform(0.5, 1, 40)
    found = compare(losses(loss, agreement=before), losses(0.5 * loss, agreement=after))
    assert (found.lost, found.won) == (lost, won)
    assert found.is_better(3.0) is kept


def test_without_loss_there_is_nothing_to_gain() -> None:
    none = losses(np.zeros(20))
    assert not compare(none, none).is_no_worse
    assert not compare(none, losses(RNG.uniform(0, 1, 20))).is_no_worse


def test_of_many_ways_that_are_all_alike_one_in_twenty_searches_takes_any() -> None:
    """Losses as skewed as squared errors are; 13 ways that are the first, but for luck."""
    taken = 0
    for _ in range(300):
        common = RNG.chisquare(1, 25)
        ways = [losses(common * RNG.uniform(0.5, 1.5, 25)) for _ in range(14)]
        needed = standard_errors_needed(25, 13)
        taken += any(compare(ways[0], way).is_better(needed) for way in ways[1:])
    assert taken <= 0.05 * 300
