"""Huge constants: what replaces them gives the same to the last bit, and others stay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.graphs import convert

from quantline import recipe
from quantline.errors import DataError, ModelUnsupported
from quantline.quantization import quantize
from quantline.ranges import choose, record
from quantline.tflite import Runtime, read
from quantline.tflite.finite import with_finite_constants

if TYPE_CHECKING:
    from collections.abc import Callable

LOWEST = float(np.finfo(np.float32).min)
SHAPE = (1, 6, 9, 2)
rng = np.random.default_rng(0)
# All below 0 in one sample: a padding of 0 would be the maximum.
SAMPLES = [rng.normal(0, 2, SHAPE).astype(np.float32) for _ in range(6)]
SAMPLES.append(-1 - np.abs(SAMPLES[0]))


def pooled(
    pads: Any, size: int, stride: int, padding: str = "VALID", value: float = LOWEST,
    before: Callable[[Any], Any] = lambda x: x,
) -> Callable[[Any], Any]:  # fmt: skip
    def model(x: Any) -> Any:
        import tensorflow as tf

        padded = tf.pad(before(x), [(0, 0), *pads, (0, 0)], constant_values=value)
        return tf.nn.max_pool2d(padded, size, stride, padding)

    return model


def reduced(axes: list[int], pads: Any) -> Callable[[Any], Any]:
    def model(x: Any) -> Any:
        import tensorflow as tf

        return tf.reduce_max(tf.pad(x, pads, constant_values=LOWEST), axes)

    return model


def bounded(name: str, bound: Any) -> Callable[[Any], Any]:
    def model(x: Any) -> Any:
        import tensorflow as tf

        return getattr(tf, name)(x, tf.constant(bound, tf.float32)) * 2.0

    return model


def rectified(x: Any) -> Any:
    import tensorflow as tf

    return tf.nn.relu(x)


ONE, TWO = (1, 1), (2, 2)
SYMMETRIC, AFTER = (ONE, ONE), ((0, 1), (0, 1))
HARMLESS: dict[str, tuple[Any, str]] = {
    "2 by 2": (pooled(SYMMETRIC, 2, 2), "MIRROR_PAD"),
    "3 by 3": (pooled(SYMMETRIC, 3, 2), "MIRROR_PAD"),
    "infinite": (pooled(SYMMETRIC, 3, 1, value=-np.inf), "MIRROR_PAD"),
    "after": (pooled(AFTER, 3, 2), "MIRROR_PAD"),
    "5 by 5": (pooled((TWO, TWO), 5, 1), "MIRROR_PAD"),
    "one axis": (pooled((ONE, (0, 0)), 3, 2), "MIRROR_PAD"),
    "padded twice": (pooled(AFTER, 3, 2, "SAME"), "MIRROR_PAD"),
    "rectified": (pooled(SYMMETRIC, 3, 2, before=rectified), "PAD"),
    "rectified, wide": (pooled((TWO, TWO), 3, 1, before=rectified), "PAD"),
    "reduced": (reduced([1, 2], [(0, 0), TWO, ONE, (0, 0)]), "MIRROR_PAD"),
    "above": (bounded("maximum", LOWEST), "MAXIMUM"),
    "above, each": (bounded("maximum", [LOWEST, -np.inf]), "MAXIMUM"),
    "below": (bounded("minimum", np.inf), "MINIMUM"),
}  # fmt: skip


@pytest.mark.parametrize(("function", "kind"), HARMLESS.values(), ids=HARMLESS)
def test_a_constant_that_decides_nothing_is_replaced(function: Any, kind: str) -> None:
    model = convert(function, SHAPE)
    edited, changes = with_finite_constants(model)
    assert len(changes) == 1
    for sample in SAMPLES:
        np.testing.assert_array_equal(
            Runtime(edited, 1).predict(sample), Runtime(model, 1).predict(sample)
        )
    assert kind in {operator.type for operator in read(edited).main.operators}
    ranges = record(edited, SAMPLES)
    assert max(max(-tensor.min, tensor.max) for tensor in ranges.tensors) < 30
    assert with_finite_constants(edited) == (edited, ())


HARMFUL: dict[str, Any] = {
    "a window of padding alone": pooled((TWO, TWO), 2, 1),
    "an image outside of the window": pooled((TWO, TWO), 3, 1),
    "an axis that is not reduced": reduced([1], [(0, 0), ONE, ONE, (0, 0)]),
    "a bound that is always reached": bounded("maximum", -LOWEST),
    "a bound of some": bounded("maximum", [LOWEST, 0.5]),
}


@pytest.mark.parametrize("function", HARMFUL.values(), ids=HARMFUL)
def test_a_constant_that_decides_something_is_refused_by_name(function: Any) -> None:
    model = convert(function, SHAPE)
    assert with_finite_constants(model) == (model, ())
    with pytest.raises(ModelUnsupported) as caught:
        record(model, SAMPLES)
    assert caught.value.exit_status == 2
    assert "e+38" in caught.value.found
    assert "reads '" in caught.value.found


def test_a_mask_of_the_lowest_float_is_refused_by_name(tf: Any) -> None:
    def selected(x: Any) -> Any:
        return tf.nn.softmax(tf.where(x > 0, x, LOWEST))

    with pytest.raises(ModelUnsupported, match="SELECT"):
        record(convert(selected, SHAPE), SAMPLES)

    def causal(x: Any) -> Any:
        return tf.nn.softmax(x + np.float32([[0, -np.inf], [0, 0], [0, 0]] * 3))

    with pytest.raises(ModelUnsupported, match=r"ADD reads .* of -3.4"):
        record(convert(causal, SHAPE), SAMPLES)

    def computed(x: Any) -> Any:
        return tf.nn.softmax(x + tf.cast(x > 0, tf.float32) * LOWEST)

    ranges = record(convert(computed, SHAPE), SAMPLES)
    with pytest.raises(DataError, match="near the largest float"):
        choose(ranges, recipe.Ranges())


def test_ordinary_constants_stay(tf: Any) -> None:
    def model(x: Any) -> Any:
        padded = tf.pad(x, [(0, 0), ONE, ONE, (0, 0)], constant_values=-1.0)
        return tf.minimum(tf.maximum(tf.nn.max_pool2d(padded, 3, 2, "VALID"), -1e9), 4.0)

    content = convert(model, SHAPE)
    assert with_finite_constants(content) == (content, ())
    record(content, SAMPLES)


@pytest.mark.parametrize("name", ["3 by 3", "rectified", "above"])
def test_the_integer_model_is_as_good_as_its_steps(name: str) -> None:
    model, _ = with_finite_constants(convert(HARMLESS[name][0], SHAPE))
    conversion = recipe.Conversion(input_type="float32", output_type="float32")
    made = quantize(model, record(model, SAMPLES), conversion)
    step = max(tensor.quantization.scales[0] for tensor in read(made.content).main.tensors
               if tensor.quantization)  # fmt: skip
    for sample in SAMPLES:
        got, wanted = (Runtime(item, 1).predict(sample) for item in (made.content, model))
        assert np.abs(got - wanted).max() <= 2.01 * step
