"""Losses of outputs by their kind, against numpy and scipy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import scipy.special
from tests.graphs import convert, convert_named, normal

from quantline import recipe
from quantline.quantization import tensorflow_backend
from quantline.quantization.judging import Judge, Losses
from quantline.quiet import tensorflow
from quantline.ranges import choose, record
from quantline.tflite import Model, Runtime, read

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SAMPLES = 3 * normal(12, 8)
VALUES = [(sample[np.newaxis],) for sample in SAMPLES]
WEIGHTS = normal(8, 5)


def make(model: bytes, samples: Any = SAMPLES) -> bytes:
    bounds = choose(record(model, samples), recipe.Ranges())
    return tensorflow_backend.quantize(model, bounds, "int8", "int8", "int8")


def judged(head: Callable[[Any], Any]) -> tuple[tuple[str, ...], dict[str, np.ndarray], Any]:
    model = convert(lambda x: head(tensorflow().matmul(x, WEIGHTS)), (1, 8))
    made = make(model)
    judge = Judge(Model(model), Model(made), VALUES)
    losses = judge.losses(Model(made))
    return judge.kinds[0], losses.outputs[0], losses


def test_a_softmax_is_judged_by_its_divergence() -> None:
    """Behind it, over a RESHAPE too: its own scale of 1/256 would hide small probabilities."""
    tf = tensorflow()
    model = convert(lambda x: tf.reshape(tf.nn.softmax(tf.matmul(x, WEIGHTS)), (1, 5)), (1, 8))
    made = make(model)
    judge = Judge(Model(model), Model(made), VALUES)
    losses = judge.losses(Model(made))
    assert judge.kinds == (("classes",),)
    want = scipy.special.softmax(SAMPLES.astype(float) @ WEIGHTS, -1)
    bare = convert(lambda x: tf.matmul(x, WEIGHTS), (1, 8))
    runtime = Runtime(make(bare))
    have = np.concatenate([runtime.predict(sample) for sample in SAMPLES])
    expected = scipy.special.rel_entr(want, scipy.special.softmax(have.astype(float), -1)).sum(-1)
    assert losses.outputs[0]["classes"] == pytest.approx(expected, rel=1e-3, abs=1e-8)
    assert np.array_equal(losses.agreement[0], want.argmax(-1) == have.argmax(-1))


def test_what_may_be_logits_is_judged_in_both_ways() -> None:
    kinds, losses, _ = judged(lambda x: x)
    assert kinds == ("classes", "values")
    assert set(losses) == {"classes", "values"}


@pytest.mark.parametrize(
    ("head", "kinds"),
    [
        (lambda x: x + np.float32([0, 0, 900, 0, 0]), ("values",)),  # one always the largest
        (lambda x: x[:, :1], ("values",)),
        (lambda x: tensorflow().reshape(x, (1, 5, 1, 1)), ("values",)),
        (lambda x: tensorflow().sigmoid(x), ("values",)),
        (lambda x: tensorflow().argmax(x, -1, tensorflow().int32), ("equal",)),
    ],
)
def test_the_kind_of_an_output(head: Any, kinds: tuple[str, ...]) -> None:
    found, losses, _ = judged(head)
    assert found == kinds
    assert all(np.all(loss >= 0) and len(loss) == len(SAMPLES) for loss in losses.values())


def test_channels_weigh_alike_whatever_their_size() -> None:
    """Pixel coordinates beside scores: noise of half the scores' variance is no small error."""
    scale = np.float32([300, 300, 0.1, 0])
    model = convert(lambda x: tensorflow().reshape(x, (1, 3, 4)) * scale, (1, 12))
    samples = normal(9, 12)
    values = [(sample[np.newaxis],) for sample in samples]
    made = make(model, samples)
    judge = Judge(Model(model), Model(made), values)
    assert judge.kinds == (("values",),)
    (losses,) = judge.losses(Model(made)).outputs
    want = samples.reshape(9, 3, 4) * scale
    runtime = Runtime(made)
    have = np.stack([runtime.predict(sample)[0] for sample in samples])
    noise = np.mean((have - want) ** 2, axis=1)
    variance = want.var(axis=(0, 1))
    with np.errstate(invalid="ignore"):
        expected = np.nan_to_num(noise / (noise + variance)).mean(-1)
    assert losses["values"] == pytest.approx(expected, rel=1e-3)
    assert 0.05 < losses["values"].mean() < 0.25  # the scores are lost, one channel of four
    assert judge.losses(Model(model)).outputs[0]["values"] == pytest.approx(0, abs=1e-9)


def test_several_outputs_each_of_its_own_kind(tmp_path: Path) -> None:
    def function(x: Any) -> dict[str, Any]:
        tf = tensorflow()
        given = tf.matmul(x, WEIGHTS)
        return {"box": tf.reshape(tf.matmul(x, normal(8, 8, seed=1)), (1, 2, 4)),
                "chance": tf.nn.softmax(given)}  # fmt: skip

    model = convert_named(tmp_path / "m", function, {"x": (1, 8)})
    made = make(model)
    judge = Judge(Model(model), Model(made), VALUES)
    names = {index: name for name, index in read(model).signatures[0].outputs.items()}
    kinds = dict(zip([names[index] for index in read(model).main.outputs], judge.kinds,
                     strict=True))  # fmt: skip
    assert kinds == {"box": ("values",), "chance": ("classes",)}
    losses = judge.losses(Model(made))
    assert len(losses.agreement) == 1
    assert losses.mean("classes") is not None
    assert losses.mean("equal") is None


@pytest.mark.parametrize(
    ("outputs", "is_little"),
    [
        ([{"classes": 0.0009}], True),
        ([{"classes": 0.0011}], False),
        ([{"classes": 0.0001}, {"classes": 0.01}], False),
        ([{"classes": 0.0001, "values": 0.0}], False),
        ([{"values": 0.0}], False),
    ],
)
def test_only_small_divergences_of_classes_leave_too_little_to_gain(
    outputs: list[dict[str, float]], is_little: bool
) -> None:
    losses = Losses(
        tuple({kind: np.full(4, loss) for kind, loss in output.items()} for output in outputs), ()
    )
    assert losses.is_little is is_little
