"""Scores, intervals and comparisons against scipy, numpy and the Keras models."""

from __future__ import annotations

from dataclasses import dataclass
from math import log, sqrt
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from quantline import recipe
from quantline.errors import DataError, ModelUnsupported, ResultMissing
from quantline.evaluation import compare, evaluate, measure, predict, wilson
from quantline.evaluation.paired import paired_difference, per_class
from quantline.evaluation.predict import SCHEMA, Model, check_labels
from quantline.stats.interval import mean
from quantline.tasks.classification import FLOOR


@dataclass(frozen=True)
class Sample:
    id: str
    label: int | None
    x: np.ndarray


def samples(model: Any, labels: Any) -> list[Sample]:
    return [
        Sample(str(row), None if label is None else int(label), x)
        for row, (x, label) in enumerate(zip(model.samples, labels, strict=False))
    ]


def table(predictions: list[int], labels: list[int | None]) -> pa.Table:
    rows = [
        {
            "id": str(row),
            "label": label,
            "prediction": prediction,
            "label_rank": None if label is None else int(prediction != label),
            "confidence": 0.5,
            "loss": None if label is None else 1.0,
        }
        for row, (prediction, label) in enumerate(zip(predictions, labels, strict=True))
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


@pytest.mark.parametrize(("right", "total"), [(0, 10), (10, 10), (3, 10), (9255, 10000), (1, 1)])
def test_wilson_equals_scipys(right: int, total: int) -> None:
    from scipy.stats import binomtest

    expected = binomtest(right, total).proportion_ci(method="wilson")
    got = wilson(right, total)
    assert got.value == right / total
    assert (got.low, got.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_the_mean_has_its_normal_interval() -> None:
    values = np.random.default_rng(1).normal(size=50)
    got = mean(values)
    error = 1.959963984540054 * values.std(ddof=1) / sqrt(50)
    assert got == pytest.approx((values.mean(), values.mean() - error, values.mean() + error))


def test_the_paired_interval_is_bonett_and_prices() -> None:
    b, c, n = 12, 5, 200
    p, q = (b + 1) / (n + 2), (c + 1) / (n + 2)
    half = 1.959963984540054 * sqrt((p + q - (p - q) ** 2) / (n + 2))
    got = paired_difference(b, c, n)
    assert got == pytest.approx(((b - c) / n, p - q - half, p - q + half))


def test_the_paired_interval_covers_what_it_says() -> None:
    rng = np.random.default_rng(5)
    first, second, total = 0.06, 0.03, 300
    draws = rng.multinomial(total, [first, second, 1 - first - second], size=2000)
    intervals = [paired_difference(int(b), int(c), total) for b, c, _ in draws]
    covered = np.mean([interval.low <= first - second <= interval.high for interval in intervals])
    assert 0.93 < covered < 0.98


def test_softmax_scores_equal_keras_and_numpy(plain: Any) -> None:
    labels = np.arange(len(plain.samples)) % 4
    predictions, scores = evaluate(plain.float_tflite, samples(plain, labels))
    probabilities = plain().astype(np.float64)
    rows = np.arange(len(labels))
    assert Model(plain.float_tflite).outputs[0].meaning == "probabilities"
    assert predictions["prediction"].to_pylist() == probabilities.argmax(1).tolist()
    ranks = (probabilities > probabilities[rows, labels, None]).sum(1)
    assert predictions["label_rank"].to_pylist() == ranks.tolist()
    loss = -np.log(np.clip(probabilities[rows, labels], FLOOR, 1))
    np.testing.assert_allclose(predictions["loss"].to_numpy(), loss, atol=1e-5)
    assert scores["top1"] == (ranks == 0).mean()
    assert scores["loss"] == pytest.approx(loss.mean(), abs=1e-5)
    assert (scores["examples"], scores["classes"]) == (16, 4)
    assert scores["size_bytes"] == len(plain.float_tflite)
    assert "top5" not in scores


def test_logits_are_told_from_probabilities(depthwise: Any) -> None:
    labels = np.arange(len(depthwise.samples)) % 5
    predictions = predict(depthwise.float_tflite, samples(depthwise, labels))
    logits = depthwise().astype(np.float64)
    expected = np.log(np.exp(logits).sum(1)) - logits[np.arange(len(labels)), labels]
    assert Model(depthwise.float_tflite).outputs[0].meaning == "logits"
    np.testing.assert_allclose(predictions["loss"].to_numpy(), expected, atol=1e-4)


@pytest.mark.parametrize("kind", ["float_tflite", "int8_tflite"])
def test_a_single_sigmoid_is_two_classes(residual: Any, kind: str) -> None:
    labels = np.arange(len(residual.samples)) % 2
    model = getattr(residual, kind)
    predictions, scores = evaluate(model, samples(residual, labels))
    assert scores["classes"] == 2
    positive = residual()[:, 0]
    clear = np.abs(positive - 0.5) > 0.02
    got = predictions["prediction"].to_numpy()
    assert (got[clear] == (positive > 0.5)[clear]).all()


def test_examples_without_labels_have_predictions_only(plain: Any) -> None:
    predictions, scores = evaluate(plain.float_tflite, samples(plain, [None] * 16))
    assert predictions["label_rank"].null_count == 16
    assert "top1" not in scores
    assert compare(predictions, predictions)["agreement"] == 1
    assert "top1_drop_points" not in compare(predictions, predictions)
    assert per_class(predictions, predictions) == []


def test_the_floor_is_the_same_for_every_model() -> None:
    assert -log(FLOOR) == pytest.approx(6.238, abs=1e-3)


def test_two_models_on_the_same_examples() -> None:
    labels = [0, 0, 1, 1, 2, 2]
    first = table([0, 0, 1, 1, 2, 0], labels)
    second = table([0, 1, 1, 0, 2, 2], labels)
    got = compare(first, second)
    assert got["agreement"] == 3 / 6
    assert (got["lost"], got["won"]) == (2, 1)
    assert got["top1_drop_points"] == pytest.approx(100 * (5 / 6 - 4 / 6))
    assert got["top1_drop_points_low"] < 0 < got["top1_drop_points_high"]
    assert per_class(first, second)[0] == {
        "class": 0,
        "examples": 2,
        "float_top1": 1.0,
        "int8_top1": 0.5,
    }
    with pytest.raises(ResultMissing, match="not evaluated on the same examples"):
        compare(first, second.slice(1))


def test_labels_outside_the_models_classes(plain: Any) -> None:
    check_labels(plain.float_tflite, [{"id": "a", "label": 3}, {"id": "b", "label": None}])
    with pytest.raises(DataError, match=r"a \(4\), b \(-1\)"):
        check_labels(plain.float_tflite, [{"id": "a", "label": 4}, {"id": "b", "label": -1}])


def test_predictions_with_labels_outside_the_models_classes(plain: Any) -> None:
    assert predict(plain.float_tflite, samples(plain, [3, None]))["label"].to_pylist() == [3, None]
    for label in (4, -1):
        with pytest.raises(DataError, match=rf"0 \({label}\).*labels from 0 to 3"):
            predict(plain.float_tflite, samples(plain, [label]))


def test_an_output_that_is_no_class_scores(keras: Any, tf: Any) -> None:
    layer = keras.Sequential([keras.Input((6, 6, 1), 1), keras.layers.Conv2D(2, 3)])
    content = bytes(tf.lite.TFLiteConverter.from_keras_model(layer).convert())
    with pytest.raises(ModelUnsupported, match="cannot be scored as 'classification'"):
        check_labels(content, [])


def test_latency_of_another_models_example(plain: Any) -> None:
    latency = recipe.Latency(runs=1, warmup=1)
    with pytest.raises(DataError, match="cannot be timed"):
        measure({"float": plain.float_tflite}, plain.samples[0][:5], latency)


def test_latency_of_both_models_by_turns(plain: Any) -> None:
    latency = recipe.Latency(runs=30, warmup=2, threads=1)
    models = {"float": plain.float_tflite, "int8": plain.int8_tflite}
    got = measure(models, plain.samples[0], latency)
    assert got["evidence"] == "measured"
    for name in models:
        values = got[name]
        assert (
            0
            < values["latency_ms_min"]
            <= values["latency_ms_p10"]
            <= values["latency_ms_p50"]
            <= values["latency_ms_p90"]
        )
    ratio = got["int8"]
    assert ratio["speed_ratio_low"] <= ratio["speed_ratio"] <= ratio["speed_ratio_high"]
    assert "speed_ratio" not in got["float"]
