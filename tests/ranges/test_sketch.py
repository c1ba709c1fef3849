"""The sketch against numpy's own quantiles, and its laws of merging."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from tests.ranges.sketches import sketch_of

from quantline.ranges.sketch import RELATIVE_WIDTH, Sketch, bin_of, merged

SHAPES = {
    "normal": lambda rng: rng.normal(0.5, 2, 20_000),
    "relu": lambda rng: np.maximum(rng.normal(0, 1, 20_000), 0),
    "heavy": lambda rng: rng.standard_cauchy(20_000),
    "negative": lambda rng: -rng.exponential(3, 20_000),
    "tiny": lambda rng: rng.normal(0, 1e-30, 20_000),
    "constant": lambda rng: np.full(100, 0.1),
}


@pytest.fixture(params=SHAPES)
def values(request: pytest.FixtureRequest) -> np.ndarray:
    return SHAPES[request.param](np.random.default_rng(3)).astype(np.float32)


@pytest.mark.parametrize("p", [0.0001, 0.01, 0.3, 0.5, 0.9, 0.9999, 1.0])
def test_quantiles_are_within_a_bin_of_numpys(values: np.ndarray, p: float) -> None:
    got = sketch_of(values).quantile(p)
    # Between two neighbouring values every number is a quantile.
    rank = int(p * len(values))
    near = np.sort(values)[[max(0, rank - 2), min(len(values) - 1, rank + 2)]]
    slack = RELATIVE_WIDTH * max(abs(got), *np.abs(near))
    assert near[0] - slack <= got <= near[1] + slack


def test_every_value_is_counted_in_the_bin_that_holds_it(values: np.ndarray) -> None:
    sketch = sketch_of(values)
    low, high = sketch.edges()
    assert sketch.total == len(values)
    for start, stop, count, key in zip(low, high, sketch.counts, sketch.keys, strict=True):
        if key > 0:
            assert count == ((values >= start) & (values < stop)).sum()
        elif key < 0:
            assert count == ((values > start) & (values <= stop)).sum()
    assert sketch.zero_share == pytest.approx((values == 0).mean(), abs=1e-12)


def test_merging_is_exact_in_any_order(values: np.ndarray) -> None:
    parts = [sketch_of(part) for part in np.array_split(values, 3)]
    a, b, c = parts
    whole = sketch_of(values)
    assert merged([a, merged([b, c])]) == merged([merged([a, b]), c]) == merged([c, b, a]) == whole
    assert hash(merged([a, b, c])) == hash(whole)
    assert merged([whole, Sketch.empty()]) == whole


def test_text_brings_it_back(values: np.ndarray) -> None:
    sketch = sketch_of(values)
    assert Sketch.from_text(sketch.to_text()) == sketch
    with pytest.raises(ValueError, match="do not hold together"):
        Sketch.from_text(sketch.to_text()[:-8])


@pytest.mark.parametrize(
    ("keys", "counts", "wrong"),
    [
        ([3, 3], [1, 1], "do not hold together"),
        ([3, 2], [1, 1], "do not hold together"),
        ([-(2**31), 2**31 - 1], [1, 1], "beyond all finite numbers"),  # their difference overflows
        ([0x7F80], [1], "beyond all finite numbers"),  # infinity
        ([3], [0], "do not hold together"),
        ([3], [-1], "do not hold together"),
        ([3, 4], [2**62, 2**62], "more values than can be counted"),
    ],
)
def test_what_no_values_give_is_refused(keys: list[int], counts: list[int], wrong: str) -> None:
    packed = np.array(keys, "<i4").tobytes() + np.array(counts, "<i8").tobytes()
    with pytest.raises(ValueError, match=wrong):
        Sketch.from_text(base64.b64encode(packed).decode())


@pytest.mark.parametrize("text", ["é", "====", "A", "AA=A"])
def test_what_is_no_base64_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Sketch.from_text(text)


def test_the_largest_numbers_have_finite_quantiles() -> None:
    largest = np.finfo(np.float32).max
    sketch = sketch_of(np.array([-largest, largest], np.float32))
    assert Sketch.from_text(sketch.to_text()) == sketch
    assert [sketch.quantile(p) for p in (0.0, 1.0)] == pytest.approx([-largest, largest])
    assert [bin_of(value) for value in (-largest, 0.0, largest)] == [-0x7F7F, 0, 0x7F7F]


def test_the_bin_of_a_number_is_the_one_it_is_counted_in(values: np.ndarray) -> None:
    for value in values[:50]:
        assert sketch_of(np.array([value])).keys.tolist() == [bin_of(float(value))]


def test_both_zeros_are_one_bin() -> None:
    sketch = sketch_of(np.array([0.0, -0.0, 1.0], np.float32))
    assert sketch.keys.tolist()[0] == 0
    assert sketch.counts.tolist() == [2, 1]
