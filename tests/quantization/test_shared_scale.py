"""Tensors of one scale, on the smallest networks in which the quantizer clips one."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from tests.graphs import convert, normal, quantize_here

from quantline import recipe
from quantline.contract.specification import SPECIFICATION
from quantline.quantization import quantize, tensorflow_backend
from quantline.quantization.shared_scale import SAME_SCALE
from quantline.quiet import tensorflow
from quantline.ranges import choose, record
from quantline.tflite import read

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

SAMPLES = normal(24, 8, 8, 3)


def _conv(x: Any, weights: np.ndarray) -> Any:
    return tensorflow().nn.conv2d(x, weights, 1, "SAME")


def transition(x: Any) -> Any:
    """End as a transition of DenseNet does: what is averaged is also joined."""
    tf = tensorflow()
    pooled = tf.nn.avg_pool2d(_conv(x, normal(3, 3, 3, 8)), 2, 2, "VALID")
    return tf.concat([pooled, tf.nn.relu(_conv(pooled, normal(3, 3, 8, 4, scale=0.1)))], -1)


def picked(x: Any) -> Any:
    """Take the larger of two: what is below the smallest larger one is never used."""
    tf = tensorflow()
    first, second = _conv(x, normal(3, 3, 3, 8)), _conv(x, normal(3, 3, 3, 8, seed=1))
    return _conv(tf.maximum(first, second), normal(3, 3, 8, 4))


def reversed_part(x: Any) -> Any:
    """Join values with others that were turned around, as both directions of a recurrent layer."""
    tf = tensorflow()
    turned = tf.reverse(_conv(x, normal(3, 3, 3, 4)), [1])
    return _conv(tf.concat([turned, 3 * _conv(x, normal(3, 3, 3, 4, seed=1))], -1),
                 normal(1, 1, 8, 4))  # fmt: skip


def plain(x: Any) -> Any:
    """Average, and nothing else: the quantizer takes the wider range."""
    tf = tensorflow()
    return _conv(tf.nn.avg_pool2d(_conv(x, normal(3, 3, 3, 8)), 2, 2, "VALID"), normal(1, 1, 8, 4))


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    quantize_here(monkeypatch)


def made(function: Callable[[Any], Any], **settings: Any) -> tuple[Any, Any, bytes]:
    """Return the quantized model, the ranges, and what the quantizer alone gives."""
    model = convert(function, (1, 8, 8, 3))
    ranges = record(model, SAMPLES)
    conversion = recipe.check(recipe.Conversion, settings)
    stock = tensorflow_backend.quantize(
        model, choose(ranges, conversion.ranges), "int8", "int8", "int8"
    )
    return quantize(model, ranges, conversion), ranges, stock


def beyond(content: bytes, ranges: Any) -> dict[str, float]:
    """Return by how many steps the recorded extremes are beyond each tensor's scale."""
    found = {}
    recorded = {other.name: other for other in ranges.tensors}
    for tensor in read(content).main.tensors:
        if tensor.name in recorded and tensor.quantization is not None:
            (scale,), (zero,) = tensor.quantization.scales, tensor.quantization.zero_points
            range_ = recorded[tensor.name]
            found[tensor.name] = max(
                scale * (-128 - zero) - range_.min, range_.max - scale * (127 - zero)
            ) / scale  # fmt: skip
    return found


def test_the_operators_of_one_scale_are_those_of_the_specification() -> None:
    assert {name for name, value in SPECIFICATION.items() if value.same_scale} == SAME_SCALE


def test_before_an_average_that_is_joined_nothing_is_clipped() -> None:
    result, ranges, stock = made(transition)
    before, after = beyond(stock, ranges), beyond(result.content, ranges)
    worst = max(before, key=lambda name: before[name])
    assert before[worst] > 10
    assert max(after.values()) <= 1
    assert set(after) == set(before)
    assert result.recipe["clipped"] == []
    types = [[operator.type for operator in read(content).main.operators]
             for content in (stock, result.content)]  # fmt: skip
    assert types[0] == types[1]


@pytest.mark.parametrize("function", [plain, picked])
def test_where_nothing_that_is_used_is_clipped_the_quantizers_model_stays(
    function: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "quantline"):
        result, ranges, stock = made(function)
    assert result.content == stock
    assert caplog.text == ""
    steps = beyond(stock, ranges)
    assert {entry["name"]: entry["is_used"] for entry in result.recipe["clipped"]} == {
        name: False for name, value in steps.items() if value > 1.001
    }
    if function is picked:
        assert result.recipe["clipped"]


def test_a_range_that_is_given_stays() -> None:
    model = convert(transition, (1, 8, 8, 3))
    (pool,) = (
        operator for operator in read(model).main.operators if operator.type == "AVERAGE_POOL_2D"
    )
    name = read(model).main.tensors[pool.outputs[0]].name
    settings = {"ranges": {"overrides": [{"tensor": name, "min": -4.0, "max": 4.0}]}}
    result, _, stock = made(transition, **settings)
    assert result.content == stock


def test_auto_tries_both_and_takes_the_better() -> None:
    model = convert(transition, (1, 8, 8, 3))
    conversion = recipe.Conversion(ranges=recipe.Ranges(method="auto"))
    found = quantize(model, record(model, SAMPLES), conversion, SAMPLES).recipe["search"]
    losses = {(trial["method"], trial["percentile"], trial["shared"]): trial["noise"]
              for trial in found["trials"] if not trial["bias_correction"]}  # fmt: skip
    assert found["baseline"]["shared"] == "widest"
    assert losses["minmax", None, "widest"] != losses["minmax", None, "converter"]


def test_what_is_turned_around_is_read_with_its_own_scale() -> None:
    result, ranges, stock = made(reversed_part)

    def sides(content: bytes) -> set[Any]:
        main = read(content).main
        (turned,) = (operator for operator in main.operators if operator.type == "REVERSE_V2")
        return {main.tensors[index].quantization for index in (turned.inputs[0], *turned.outputs)}

    assert len(sides(stock)) == 2
    assert len(sides(result.content)) == 1
    assert max(beyond(result.content, ranges).values()) <= 1
