"""Lost and noisy outputs: found, explained, and mended by what the explanation advises.

Each kind is a small model whose output int8 ruins, with the same model after the advice, which it
must then leave alone; models that only look as if they were ruined are among the sound ones.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.graphs import convert, here, normal

from quantline import recipe
from quantline.quantization import quantize
from quantline.quiet import tensorflow
from quantline.ranges import record

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLES = normal(40, 1, 16)


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("measured_outputs", "backends"):
        monkeypatch.setattr(f"quantline.quantization.{module}.run_in_child", here)


def dense(x: Any, units: int, seed: int = 0, scale: float = 1.0) -> Any:
    width = int(x.shape[-1])
    return tensorflow().matmul(x, normal(width, units, seed=seed, scale=scale / width**0.5))


def measured(function: Callable[[Any], Any], **conversion: Any) -> list[dict[str, Any]]:
    model = convert(function, (1, 16))
    return of_model(model, **conversion)


def of_model(model: bytes, **conversion: Any) -> list[dict[str, Any]]:
    samples = list(SAMPLES)
    asked = recipe.Conversion(**{"scheme": "int8", **conversion})
    found = quantize(model, record(model, samples), asked, samples)
    outputs: list[dict[str, Any]] = found.recipe["measured"]["outputs"]
    return outputs


def scores(x: Any, seed: int = 1) -> Any:
    return tensorflow().sigmoid(dense(x, 30, seed))


def boxes(x: Any, size: float = 640.0) -> Any:
    return tensorflow().sigmoid(dense(x, 40)) * size


def anchors(x: Any, channels: int) -> Any:
    return tensorflow().reshape(x, (1, 10, channels))


def detector(x: Any, size: float = 640.0) -> Any:
    joined = tensorflow().concat([anchors(boxes(x, size), 4), anchors(scores(x), 3)], -1)
    return tensorflow().reshape(joined, (1, 70))


def channels_first(x: Any) -> Any:
    joined = tensorflow().concat([anchors(boxes(x), 4), anchors(scores(x), 3)], -1)
    return tensorflow().transpose(joined, (0, 2, 1))


def strides(x: Any) -> Any:
    """Two levels of a detector whose coordinates are decoded within the model."""
    tf = tensorflow()
    levels = []
    for seed, (count, stride) in enumerate(((6, 8.0), (4, 16.0))):
        raw = tf.reshape(dense(x, count * 7, seed), (1, count, 7))
        place, size, classes = tf.split(raw, [2, 2, 3], -1)
        grid = np.arange(count, dtype=np.float32)[None, :, None] * 8
        decoded = [(tf.sigmoid(place) * 2 + grid) * stride, (tf.sigmoid(size) * 2) ** 2 * stride]
        levels.append(tf.concat([*decoded, tf.sigmoid(classes)], -1))
    return tf.concat(levels, 1)


def selected(x: Any) -> Any:
    which = np.array([True, True, False, False])
    return tensorflow().where(which, dense(x, 4, scale=500.0), scores(x)[:, :4])


def joined_within(x: Any) -> Any:
    joined = tensorflow().concat([dense(x, 4, scale=1000.0), dense(x, 4, 1)], -1)
    weights = np.concatenate([normal(4, 3, scale=0.001), normal(4, 3, seed=5)])
    return tensorflow().matmul(joined, weights)


def replaced_by_a_mask(x: Any, least: float = -1e9) -> Any:
    tf = tensorflow()
    kept = tf.where(dense(x, 8, 4) > 1.2, np.float32(least), dense(x, 8))
    return dense(tf.nn.softmax(kept), 4, 7)


def packed(x: Any, size: float = 500.0) -> Any:
    return tensorflow().stack([dense(x, 4, scale=size), dense(x, 4, 1)], 1)


def masked(x: Any, least: float = -1e9) -> Any:
    tf = tensorflow()
    mask = tf.cast(dense(x, 8, 4) > 1.2, tf.float32) * least
    return dense(tf.nn.softmax(dense(x, 8) + mask), 4, 7)


def constant_mask(x: Any, least: float = -1e9) -> Any:
    mask = np.where(np.arange(8) < 3, np.float32(least), np.float32(0))
    return dense(tensorflow().nn.softmax(dense(x, 8) + mask), 4, 7)


def logarithm(x: Any, more: float = 1e-6) -> Any:
    tf = tensorflow()
    return dense(tf.math.log(tf.square(dense(x, 8)) + more), 4, 3)


def floored(x: Any) -> Any:
    tf = tensorflow()
    whole = dense(x, 8, scale=30.0)
    return whole - 2 * tf.floor(whole / 2)


def with_constant(x: Any, value: float = 5000.0) -> Any:
    return tensorflow().concat([dense(x, 4), np.full((1, 2), value, np.float32)], -1)


def shifted(x: Any, by: float = 2000.0) -> Any:
    return dense(x, 4) + np.float32(by)


def one_layer(x: Any, size: float = 400.0) -> Any:
    weights = np.concatenate([normal(16, 4, scale=size), normal(16, 1, seed=5)], 1)
    return tensorflow().matmul(x, weights / 4)


@pytest.mark.parametrize(
    ("function", "verdict", "kind", "operator", "words"),
    [
        (detector, "lost", "join", "CONCATENATION", "outputs of their own"),
        (channels_first, "lost", "join", "CONCATENATION", "outputs of their own"),
        (strides, "lost", "join", "CONCATENATION", "outputs of their own"),
        (packed, "lost", "join", "PACK", "outputs of their own"),
        (selected, "lost", "join", "SELECT_V2", "outputs of their own"),
        (joined_within, "lost", "join", "CONCATENATION", "outputs of their own"),
        (masked, "noisy", "mask", "ADD", "such as -30"),
        (replaced_by_a_mask, "noisy", "mask", "SELECT_V2", "such as -30"),
        (constant_mask, "lost", "mask", "FULLY_CONNECTED", "such as -30"),
        (logarithm, "noisy", "steep", "LOG", "Train with more added"),
        (with_constant, "lost", "constant", "CONCATENATION", "Take the constant out"),
        (shifted, "noisy", "constant", "FULLY_CONNECTED", "Take the constant out"),
        (one_layer, "lost", "channels", "FULLY_CONNECTED", "an output of their own"),
    ],
)
def test_a_ruined_output_is_named_with_its_cause(
    function: Callable[[Any], Any], verdict: str, kind: str, operator: str, words: str
) -> None:
    (output,) = measured(function)
    cause = output["cause"]
    assert (output["verdict"], cause["kind"], cause["operator"]) == (verdict, kind, operator)
    assert words in cause["remedy"]
    assert cause["share"] > 0.5


def split(x: Any) -> Any:
    return anchors(boxes(x), 4), anchors(scores(x), 3)


@pytest.mark.parametrize(
    "function",
    [
        pytest.param(split, id="join: two outputs"),
        pytest.param(lambda x: detector(x, 1.0), id="join: coordinates from 0 to 1"),
        pytest.param(lambda x: packed(x, 1.0), id="pack: of one range"),
        pytest.param(lambda x: masked(x, -30.0), id="mask: -30"),
        pytest.param(lambda x: replaced_by_a_mask(x, -30.0), id="selected mask: -30"),
        pytest.param(lambda x: constant_mask(x, -30.0), id="constant mask: -30"),
        pytest.param(lambda x: logarithm(x, 0.4), id="logarithm: more added"),
        pytest.param(lambda x: dense(x, 4), id="constant: taken out"),
        pytest.param(
            lambda x: (dense(x, 4, scale=400.0), dense(x, 1, 5)),
            id="channels: outputs of their own",
        ),
        pytest.param(lambda x: one_layer(x, 1.0), id="channels: of one range"),
    ],
)
def test_the_advice_works(function: Callable[[Any], Any]) -> None:
    assert {output["verdict"] for output in measured(function)} == {None}


@pytest.mark.parametrize("function", [logarithm, floored], ids=["logarithm", "floor"])
def test_what_is_advised_to_stay_float_is_enough(function: Callable[[Any], Any]) -> None:
    scheme = "int8_float_fallback"
    (before,) = measured(function, scheme=scheme)
    assert before["verdict"] is not None
    listed, *others = before["cause"]["remedy"].split("`keep_float` for ")[1].split(", and `")
    types = {"input_type": "float32"} if others == ["input_type='float32'`"] else {}
    (after,) = measured(function, scheme=scheme, keep_float=listed.split(", "), **types)
    assert after["verdict"] is None
    assert after["sqnr_db"] is None or after["sqnr_db"] > before["sqnr_db"] + 15


@cache
def sound() -> dict[str, bytes]:
    tf = tensorflow()
    rare = np.array([0] * 9 + [-12], np.float32)
    functions: dict[str, Callable[[Any], Any]] = {
        "classes": lambda x: tf.nn.softmax(dense(x, 10, scale=4.0)),
        "many classes that stay below a step": lambda x: tf.nn.softmax(dense(x, 1000, scale=0.2)),
        "a rare class": lambda x: tf.nn.softmax(dense(x, 10, scale=2.0) + rare),
        "rare scores beside coordinates": lambda x: tf.concat(
            [tf.sigmoid(dense(x, 4)), tf.sigmoid(dense(x, 3, 1) + np.float32(-9))], -1
        ),
        "a rectified channel that is always 0": lambda x: tf.nn.relu(
            dense(x, 8) + np.array([0] * 7 + [-50], np.float32)
        ),
        "weak features among many": lambda x: tf.nn.relu(
            dense(x, 64) * np.array([1] * 62 + [0.002] * 2, np.float32)
        ),
        "the largest of nearly equal values": lambda x: tf.math.top_k(
            tf.sigmoid(dense(x, 64, scale=0.1)), 8
        )[1],
        "a constant output": lambda x: dense(x, 4) * 0 + np.float32(3),
    }
    return {name: convert(function, (1, 16)) for name, function in functions.items()}


def test_sound_models_raise_no_alarm() -> None:
    verdicts = {
        name: [output["verdict"] for output in of_model(value)] for name, value in sound().items()
    }
    assert verdicts == {name: [None] for name in verdicts}
