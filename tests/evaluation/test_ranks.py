"""Ranks, losses and confidences over known scores: the model's output is its input's softmax."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.conftest import public_convert

from quantline.errors import DataError
from quantline.evaluation import evaluate, predict
from quantline.evaluation.predict import SCHEMA
from quantline.tasks.classification import FLOOR

if TYPE_CHECKING:
    import pyarrow as pa

CLASSES = 8


@dataclass(frozen=True)
class Sample:
    id: str
    label: int | None
    x: np.ndarray


def classifier(keras: Any, folder: Any, activation: str | None) -> bytes:
    scores = keras.layers.Dense(
        CLASSES, activation=activation, use_bias=False, kernel_initializer="identity"
    )
    model = keras.Sequential([keras.Input((CLASSES,), 1, name="scores"), scores])
    model.export(folder, verbose=False)
    return public_convert(folder)


@pytest.fixture(scope="module", params=["softmax", None, "log_softmax"])
def model(request: Any, keras: Any, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A classifier that gives its input's probabilities, its logits, or their logarithms."""
    return classifier(keras, tmp_path_factory.mktemp("known") / "saved_model", request.param)


def every_label(model: bytes, logits: np.ndarray) -> pa.Table:
    return predict(model, [Sample(str(label), label, logits) for label in range(CLASSES)])


def probabilities(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits.astype(np.float64))
    return powers / powers.sum()


@pytest.mark.parametrize("seed", range(5))
def test_ranks_losses_and_confidence_are_numpy_s(model: bytes, seed: int) -> None:
    logits = np.random.default_rng(seed).normal(size=CLASSES).astype(np.float32)
    table = every_label(model, logits)
    order = np.argsort(-logits)
    assert table.schema == SCHEMA
    assert table["label_rank"].to_pylist() == np.argsort(order).tolist()
    assert set(table["prediction"].to_pylist()) == {int(order[0])}
    expected = probabilities(logits)
    np.testing.assert_allclose(table["loss"], -np.log(expected), rtol=1e-5)
    np.testing.assert_allclose(table["confidence"], expected.max(), rtol=1e-5)


def test_ties_count_for_the_lower_class(model: bytes) -> None:
    logits = np.array([1, 2, 2, 0, 1, 2, 0, 0], np.float32)
    table = every_label(model, logits)
    assert table["label_rank"].to_pylist() == [3, 0, 1, 5, 4, 2, 6, 7]
    assert set(table["prediction"].to_pylist()) == {1}


def test_losses_stop_at_the_floor(model: bytes) -> None:
    logits = np.array([20, 0, 0, 0, 0, 0, 0, 0], np.float32)
    losses = every_label(model, logits)["loss"].to_pylist()
    assert losses[0] == pytest.approx(0, abs=1e-6)
    assert losses[1:] == pytest.approx([-np.log(FLOOR)] * 7)


def test_ranks_below_the_floor_are_still_those_of_the_model(model: bytes) -> None:
    logits = np.array([0, 0.5, 1, 1.5, 2, 2.5, 3, 20], np.float32)
    assert every_label(model, logits)["label_rank"].to_pylist() == [7, 6, 5, 4, 3, 2, 1, 0]


def test_a_model_that_gives_nan_is_not_right_for_it(model: bytes) -> None:
    table = every_label(model, np.full(CLASSES, np.nan, np.float32))
    assert table["label_rank"].to_pylist() == list(range(CLASSES))  # a draw of all classes
    assert table["loss"].to_pylist() == pytest.approx([-np.log(FLOOR)] * CLASSES)
    assert table["confidence"].to_pylist() == [0.0] * CLASSES


def test_top5_is_the_share_of_ranks_below_five(model: bytes) -> None:
    logits = np.linspace(0, 1, CLASSES, dtype=np.float32)
    samples = [Sample(str(label), label, logits) for label in range(CLASSES)]
    _, scores = evaluate(model, samples)
    assert (scores["top1"], scores["top5"]) == (1 / 8, 5 / 8)


def test_labelled_and_unlabelled_examples_may_be_mixed(model: bytes) -> None:
    logits = np.eye(CLASSES, dtype=np.float32) * 3
    labels = [0, None, 0, None]
    samples = [Sample(str(row), label, logits[row]) for row, label in enumerate(labels)]
    table, scores = evaluate(model, samples)
    assert table["prediction"].to_pylist() == [0, 1, 2, 3]
    assert table["label_rank"].to_pylist()[1::2] == [None, None]
    assert (scores["examples"], scores["labelled_examples"], scores["top1"]) == (4, 2, 0.5)


def test_samples_are_taken_one_at_a_time(model: bytes) -> None:
    taken = []

    def samples() -> Any:
        for row in range(3):
            taken.append(row)
            yield Sample(str(row), 0, np.zeros(CLASSES, np.float32))

    assert predict(model, samples())["id"].to_pylist() == ["0", "1", "2"]
    assert taken == [0, 1, 2]


def test_a_sample_of_another_shape_is_named(model: bytes) -> None:
    with pytest.raises(DataError, match="'odd'"):
        predict(model, [Sample("odd", 0, np.zeros(CLASSES + 1, np.float32))])
