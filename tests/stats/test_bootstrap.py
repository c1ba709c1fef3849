"""The bootstrap against scipy's."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from quantline.stats.bootstrap import bootstrap, bootstrap_mean


@pytest.mark.parametrize("seed", range(3))
def test_the_bootstrap_is_scipys_bca(seed: int) -> None:
    skewed = np.random.default_rng(seed).gamma(0.3, size=80) - 0.3
    got = bootstrap_mean(skewed, confidence=0.95, seed=seed, resamples=4000)
    expected = scipy.stats.bootstrap(
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


@pytest.mark.parametrize("seed", range(2))
def test_any_statistic_has_scipys_bca_bounds(seed: int) -> None:
    skewed = np.random.default_rng(seed).gamma(0.5, size=60)

    def ratio(values: np.ndarray) -> float:
        return float(np.std(values) / np.mean(values))

    got = bootstrap(lambda at: ratio(skewed[at]), len(skewed), seed=seed, resamples=3000)
    expected = scipy.stats.bootstrap(
        (skewed,), ratio, vectorized=False, confidence_level=0.9, n_resamples=3000, method="BCa",
        rng=seed,
    ).confidence_interval  # fmt: skip
    width = expected.high - expected.low
    assert got.value == ratio(skewed)
    assert got.low == pytest.approx(expected.low, abs=0.06 * width)
    assert got.high == pytest.approx(expected.high, abs=0.06 * width)


def test_a_statistic_that_does_not_vary_has_no_width() -> None:
    assert bootstrap(lambda at: 0.5, 10) == (0.5, 0.5, 0.5)
    assert bootstrap(lambda at: float(at.mean()), 1) == (0.0, 0.0, 0.0)
