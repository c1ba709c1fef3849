"""Each method against a plain numpy computation on the values themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import entropy as scipy_entropy
from tests.ranges.sketches import sketch_of

from quantline import recipe
from quantline.errors import DataError, ParameterError
from quantline.range_methods import METHODS
from quantline.ranges import RangeSet, TensorRange, choose, record
from quantline.ranges.choose import bounds as bounds_by

RNG = np.random.default_rng(11)
VALUES = {
    "normal": RNG.normal(0.2, 1, 40_000),
    "relu": np.maximum(RNG.normal(0, 1, 40_000), 0),
    "outliers": np.concatenate([RNG.normal(0, 1, 40_000), [60, -45]]),
    "laplace": RNG.laplace(0, 1, 40_000),
    "positive": RNG.gamma(2, 2, 40_000),
    "negative": -RNG.gamma(2, 2, 40_000),
}


def bounds(tensor: TensorRange, method: str, **values: float) -> tuple[float, float]:
    return bounds_by(tensor, METHODS[method].with_values(values))


def seen(values: np.ndarray) -> TensorRange:
    values = values.astype(np.float32)
    return TensorRange(0, "x", float(values.min()), float(values.max()), sketch=sketch_of(values))


def rounding_error(values: np.ndarray, low: float, high: float) -> float:
    """The mean squared error of int8 by the specification's formula."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = (high - low) / 255
    zero_point = np.round(-128 - low / scale)
    stored = np.clip(np.round(values / scale) + zero_point, -128, 127)
    return float((((stored - zero_point) * scale - values) ** 2).mean())


@pytest.mark.parametrize("name", VALUES)
def test_percentile_is_numpys(name: str) -> None:
    values = VALUES[name]
    low, high = bounds(seen(values), "percentile", percentile=99.9)
    expected = np.percentile(values, [0.1, 99.9])
    # A bin is 0.8 % wide; near zero, where nothing separates values, that of the spread.
    assert [low, high] == pytest.approx(expected, rel=0.01, abs=1e-3 * float(np.ptp(values)))


@pytest.mark.parametrize("name", VALUES)
def test_mse_has_the_least_error_that_a_search_over_the_values_finds(name: str) -> None:
    values = VALUES[name]
    chosen = bounds(seen(values), "mse")
    shares = np.linspace(1, 1 / 48, 48)
    lows = min(values.min(), 0) * shares if values.min() < 0 else [0.0]
    highs = max(values.max(), 0) * shares if values.max() > 0 else [0.0]
    best = min(rounding_error(values, low, high) for low in lows for high in highs if high > low)
    assert rounding_error(values, *chosen) <= 1.03 * best


@pytest.mark.parametrize("name", VALUES)
def test_entropy_is_as_near_as_what_plain_numpy_finds(name: str) -> None:
    """The threshold's divergence, measured on the values, is close to the least there is."""
    values = VALUES[name].astype(np.float32)
    low, high = bounds(seen(values), "entropy")
    largest = float(np.abs(values).max())
    histogram, _ = np.histogram(np.abs(values), 2048, (0, largest))
    histogram[0] = histogram[1]  # the rule leaves a rectifier's zeros out
    levels = 128 if values.min() < 0 < values.max() else 256

    def divergence(bins: int) -> float:
        clipped = histogram[:bins].astype(float)
        clipped[-1] += histogram[bins:].sum()
        quantized = np.zeros(bins)
        for part in np.array_split(np.arange(bins), levels):
            inside = histogram[part]
            if inside.any():
                quantized[part[inside > 0]] = inside.sum() / (inside > 0).sum()
        used = clipped > 0
        quantized = np.where(quantized > 0, quantized, 1e-9 * quantized.sum())
        return float(scipy_entropy(clipped[used], quantized[used]))

    threshold = max(-low, high)
    bins = max(levels, round(threshold / largest * 2048))
    best = min(divergence(index) for index in range(levels, 2049, 8))
    assert divergence(bins) <= best + 0.02


def test_clipping_methods_cut_outliers_and_the_others_do_not() -> None:
    tensor = seen(VALUES["outliers"])
    assert bounds(tensor, "minmax") == (-45, 60)
    for method in ("percentile", "entropy"):
        low, high = bounds(tensor, method)
        assert -20 < low < -2
        assert 2 < high < 20


def test_moving_average_is_the_mean_of_each_samples_extremes(plain: Any) -> None:
    first = record(plain.float_tflite, plain.samples).tensors[0]
    rows = plain.samples.reshape(len(plain.samples), -1).astype(np.float64)
    expected = (rows.min(axis=1).mean(), rows.max(axis=1).mean())
    assert bounds(first, "moving_average") == pytest.approx(expected, rel=1e-12)


def set_of(*tensors: TensorRange) -> RangeSet:
    return RangeSet(tensors, 1, "ab", (), {})


def test_overrides_hold_for_a_name_and_for_a_pattern() -> None:
    values = VALUES["outliers"].astype(np.float32)
    names = ("block_1/conv", "block_2/conv", "head")
    tensors = [
        TensorRange(i, name, float(values.min()), float(values.max()), sketch=sketch_of(values))
        for i, name in enumerate(names)
    ]
    chosen = recipe.Ranges.model_validate(
        {
            "method": "minmax",
            "overrides": [
                {"tensor": "block_.*", "method": "percentile", "percentile": 99.0},
                {"tensor": "block_2/conv", "min": -1.0, "max": 2.0},
            ],
        }
    )
    got = choose(set_of(*tensors), chosen)
    assert got[0] == bounds(tensors[0], "percentile", percentile=99.0)
    assert got[1] == (-1.0, 2.0)
    assert got[2] == (-45.0, 60.0)


def test_an_override_that_fits_nothing_is_an_error() -> None:
    chosen = recipe.Ranges.model_validate({"overrides": [{"tensor": "hed", "method": "mse"}]})
    with pytest.raises(ParameterError, match="'head'"):
        choose(set_of(TensorRange(0, "head", 0.0, 1.0)), chosen)


def test_ranges_without_a_sketch_are_for_minmax_only() -> None:
    tensors = set_of(TensorRange(0, "head", 0.0, 1.0))
    assert choose(tensors, recipe.Ranges()) == {0: (0.0, 1.0)}
    with pytest.raises(ParameterError, match="without a sketch"):
        choose(tensors, recipe.Ranges(method="mse"))


def test_what_is_not_finite_is_refused() -> None:
    with pytest.raises(DataError, match="2 NaN"):
        choose(set_of(TensorRange(0, "head", 0.0, 1.0, nan=2, count=9)), recipe.Ranges())


@pytest.mark.parametrize(
    "override",
    [
        {"tensor": "("},
        {"tensor": "a"},
        {"tensor": "a", "min": 1.0},
        {"tensor": "a", "min": 2.0, "max": 1.0},
    ],
)
def test_a_senseless_override_is_an_error(override: dict[str, Any]) -> None:
    with pytest.raises(ParameterError):
        recipe.check(recipe.Ranges, {"overrides": [override]}, "conversion.ranges")
