"""The tensors in which outputs are compared, and their real values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.graphs import convert, convert_named, normal

from quantline import recipe
from quantline.quantization import tensorflow_backend
from quantline.quantization.output_parts import comparison_outputs, run
from quantline.quiet import tensorflow
from quantline.ranges import choose, record
from quantline.tflite import Runtime, read

if TYPE_CHECKING:
    from pathlib import Path

SAMPLES = normal(6, 8)
VALUES = [(sample[np.newaxis],) for sample in SAMPLES]


def logits(x: Any) -> Any:
    return tensorflow().matmul(x, normal(8, 5)) + normal(5)


def make(model: bytes, samples: Any, io_type: str) -> bytes:
    bounds = choose(record(model, samples), recipe.Ranges())
    return tensorflow_backend.quantize(model, bounds, "int8", io_type, io_type)


@pytest.mark.parametrize("io_type", ["float", "int8", "uint8", "float32"])
@pytest.mark.parametrize("kind", ["softmax", "log_softmax", "sigmoid", "tanh", None])
def test_it_is_measured_behind_what_squashes(kind: str | None, io_type: str) -> None:
    tf = tensorflow()
    squash = {"softmax": tf.nn.softmax, "log_softmax": tf.nn.log_softmax,
              "sigmoid": tf.sigmoid, "tanh": tf.tanh, None: tf.identity}[kind]  # fmt: skip
    model = convert(lambda x: squash(logits(x)), (1, 8))
    made = model if io_type == "float" else make(model, SAMPLES, io_type)
    main = read(made).main
    (telling,) = comparison_outputs(read(made))
    (dense,) = (operator for operator in main.operators if operator.type == "FULLY_CONNECTED")
    assert telling == dense.outputs[0]
    (got,) = run(made, [telling], VALUES)
    expected = np.stack([np.asarray(logits(value[0])) for value in VALUES])
    assert got.shape == expected.shape
    scale = 1e-5 if io_type == "float" else 0.02
    assert np.abs(got - expected).max() <= scale * np.ptp(expected)


def test_several_outputs_keep_their_places(tmp_path: Path) -> None:
    """Logits and their softmax are told by the same tensor, twice."""

    def function(x: Any) -> dict[str, Any]:
        tf = tensorflow()
        given = logits(x)
        features = tf.nn.relu(tf.matmul(x, normal(8, 3, seed=1)) + normal(3))
        return {"scores": given, "probabilities": tf.nn.softmax(given), "features": features}

    model = convert_named(tmp_path / "m", function, {"x": (1, 8)})
    made = make(model, SAMPLES, "uint8")
    pairs = [run(other, comparison_outputs(read(other)), VALUES) for other in (model, made)]
    names = {index: name for name, index in read(model).signatures[0].outputs.items()}
    order = [names[index] for index in read(model).main.outputs]
    assert sorted(order) == ["features", "probabilities", "scores"]
    for name, want, have in zip(order, *pairs, strict=True):
        assert want.shape == have.shape == (6, 1, 3 if name == "features" else 5)
        assert np.abs(want - have).max() <= 0.03 * np.ptp(want)


def test_real_values_come_back_as_the_runtime_gives_them() -> None:
    model = convert(logits, (1, 8))
    made = make(model, SAMPLES, "int8")
    (got,) = run(made, read(made).main.outputs, VALUES)
    runtime = Runtime(made)
    assert np.array_equal(got, np.stack([runtime.predict(sample) for sample in SAMPLES]))
