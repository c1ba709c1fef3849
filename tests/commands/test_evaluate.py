"""Models on labelled examples in files and in memory, against Keras's own answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import quantline as ql


@pytest.fixture
def labels(plain: Any) -> np.ndarray:
    """Labels of which the float model has 12 of 16 right."""
    answers = plain().argmax(axis=1)
    wrong = np.arange(16) % 4 == 0
    return np.where(wrong, (answers + 1) % 4, answers)


def test_the_accuracy_is_that_of_keras(plain: Any, labels: np.ndarray) -> None:
    found = ql.evaluate(plain.float_tflite, {"x": plain.samples, "y": labels})
    assert found.metrics["top1"] == 12 / 16
    assert found.metrics["top1_low"] < 12 / 16 < found.metrics["top1_high"]
    chosen = plain()[np.arange(16), labels]
    assert found.metrics["loss"] == pytest.approx(float(-np.log(chosen).mean()), rel=1e-4)
    assert "top-1" in repr(found)


def test_a_comparison_on_a_file_is_paired(desk: Any, plain: Any, labels: np.ndarray) -> None:
    (desk.folder / "int8.tflite").write_bytes(plain.int8_tflite)
    desk.save("test.npz", image=plain.samples, label=labels)
    done = desk.give("compare", "float.tflite", "int8.tflite", "--data", "test.npz", "--x", "image",
                     "--y", "label", "--margin-points", "99", "--json")  # fmt: skip
    assert done.status == 0, done.err
    change = done.json["change"]
    right = [
        ql.evaluate(desk.folder / name, "test.npz", x="image", y="label").predictions["label_rank"]
        .to_numpy() == 0
        for name in ("float.tflite", "int8.tflite")
    ]  # fmt: skip
    assert change["lost"] == int((right[0] & ~right[1]).sum())
    assert change["won"] == int((~right[0] & right[1]).sum())
    assert change["top1_drop_points"] == pytest.approx(
        100 * (right[0].mean() - right[1].mean()), abs=1e-9
    )
    assert done.json["verdict"]["verdict"] == "no worse"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"margin_points": -1.0}, "`margin_points`"),
        ({"confidence": 2.0, "margin_points": 1.0}, "`confidence`"),
        ({"signatur": "a"}, "Did you mean 'signature'?"),
        ({"x": "picture"}, "has no array 'picture'"),
        ({"y": "label", "margin_points": 1.0}, "no array 'label'"),
    ],
)
def test_a_mistake_names_the_argument(plain: Any, arguments: dict[str, Any], text: str) -> None:
    data = {"x": plain.samples[:2]}
    with pytest.raises(ql.QuantlineError) as caught:
        ql.compare(plain.float_tflite, plain.float_tflite, data, **arguments)
    assert text in str(caught.value)
