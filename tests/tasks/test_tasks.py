"""Each task on outputs of known meaning, against scikit-learn and numpy."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import sklearn.metrics as sk

from quantline import recipe
from quantline.errors import DataError, ModelUnsupported, ParameterError
from quantline.evaluation.metrics import score_task
from quantline.evaluation.predict import make_table
from quantline.tasks import TASKS, Output, Seen

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pyarrow as pa

RNG = np.random.default_rng(11)
COUNT = 80


def output(shape: tuple[int, ...], meaning: str = "logits", name: str = "out") -> Output:
    return Output(name, (1, *shape), meaning)


def table_of(
    task: dict[str, Any],
    declared: Output | Sequence[Output],
    outputs: Any,
    labels: Any,
    references: Any = None,
) -> tuple[pa.Table, dict[str, Any]]:
    """Return the predictions and scores of outputs, an array of one a row, with their labels."""
    chosen = recipe.check(recipe.Task, task).chosen()
    scorer = chosen.bind([declared] if isinstance(declared, Output) else declared)
    rows = []
    for at, found in enumerate(outputs):
        wanted = None if references is None else [references[at][None]]
        label = None if labels is None else labels[at]
        seen = Seen(f"example {at}", label, [np.zeros((1, 4))], [found[None]], wanted)
        rows.append((seen.id, scorer.row(seen)))
    table = make_table(rows, scorer, chosen)
    return table, score_task(table, chosen, scorer.about)


def test_binary() -> None:
    labels = RNG.integers(0, 2, COUNT)
    logits = (2 * labels - 1 + RNG.normal(0, 1.5, COUNT)).astype(np.float32)
    probabilities = 1 / (1 + np.exp(-logits))
    _, scores = table_of({"kind": "binary", "threshold": 0.4}, output((1,)), logits[:, None],
                         labels)  # fmt: skip
    answers = probabilities >= 0.4
    for name, wanted in {
        "auc": sk.roc_auc_score(labels, probabilities),
        "accuracy": sk.accuracy_score(labels, answers),
        "f1": sk.f1_score(labels, answers),
        "precision": sk.precision_score(labels, answers),
        "recall": sk.recall_score(labels, answers),
    }.items():
        assert scores[name] == pytest.approx(wanted), name
        assert scores[f"{name}_low"] <= scores[name] <= scores[f"{name}_high"]
    both = np.stack([np.zeros(COUNT), logits], axis=1)
    _, of_two = table_of({"kind": "binary", "threshold": 0.4}, output((2,)), both, labels)
    assert of_two["auc"] == pytest.approx(scores["auc"])


def test_multi_label() -> None:
    labels = RNG.integers(0, 2, (COUNT, 3))
    probabilities = np.clip(labels * 0.3 + RNG.uniform(0, 0.7, labels.shape), 0, 1)
    table, scores = table_of({"kind": "multi_label"}, output((3,), "probabilities"), probabilities,
                             labels)  # fmt: skip
    answers = probabilities >= 0.5
    assert scores["mean_average_precision"] == pytest.approx(
        sk.average_precision_score(labels, probabilities)
    )
    for kind in ("micro", "macro"):
        assert scores[f"f1_{kind}"] == pytest.approx(sk.f1_score(labels, answers, average=kind))
    assert scores["details"]["examples_per_class"] == labels.sum(axis=0).tolist()
    assert table["right"].to_pylist() == (answers == labels).all(axis=1).astype(int).tolist()


@pytest.mark.parametrize("count", [1, 3])
def test_regression(count: int) -> None:
    labels = RNG.normal(5, 2, (COUNT, count))
    values = labels + RNG.normal(0, 0.5, labels.shape)
    _, scores = table_of({"kind": "regression"}, output((count,)), values, labels)
    assert scores["mae"] == pytest.approx(sk.mean_absolute_error(labels, values))
    assert scores["rmse"] == pytest.approx(sk.root_mean_squared_error(labels, values))
    assert scores["r2"] == pytest.approx(sk.r2_score(labels, values))
    assert scores["worst_error"] == pytest.approx(np.abs(values - labels).max())  # of 80 examples
    assert scores["details"]["bias_per_output"] == pytest.approx((values - labels).mean(axis=0))


def test_segmentation() -> None:
    labels = RNG.integers(0, 3, (COUNT, 6, 5))
    scores_ = np.eye(3)[labels] + RNG.normal(0, 0.7, (COUNT, 6, 5, 3))
    labels[:, 0] = 255
    _, scores = table_of({"kind": "segmentation", "ignore": 255}, output((6, 5, 3)), scores_,
                         labels)  # fmt: skip
    kept = labels != 255
    found, wanted = scores_.argmax(-1)[kept], labels[kept]
    assert scores["mean_iou"] == pytest.approx(sk.jaccard_score(wanted, found, average="macro"))
    assert scores["pixel_accuracy"] == pytest.approx(sk.accuracy_score(wanted, found))
    assert scores["details"]["iou_per_class"] == pytest.approx(
        sk.jaccard_score(wanted, found, average=None)
    )


def test_a_map_of_classes_and_a_map_of_probabilities_are_segmentations() -> None:
    labels = RNG.integers(0, 2, (COUNT, 4, 4))
    wrong = RNG.uniform(size=labels.shape) < 0.2
    found = np.where(wrong, 1 - labels, labels)
    _, of_classes = table_of({"kind": "segmentation", "classes": 2}, output((4, 4)),
                             found.astype(np.float32), labels)  # fmt: skip
    _, of_odds = table_of({"kind": "segmentation"}, output((4, 4, 1), "probabilities"),
                          np.where(found, 0.8, 0.1)[..., None], labels)  # fmt: skip
    assert of_classes["pixel_accuracy"] == pytest.approx(1 - wrong.mean())
    assert of_odds["mean_iou"] == pytest.approx(of_classes["mean_iou"])


def test_anomaly() -> None:
    labels = RNG.integers(0, 2, COUNT)
    values = labels + RNG.normal(0, 1, COUNT)
    _, scores = table_of({"kind": "anomaly"}, output((1,)), values[:, None], labels)
    assert scores["auc"] == pytest.approx(sk.roc_auc_score(labels, values))
    assert scores["partial_auc"] == pytest.approx(sk.roc_auc_score(labels, values, max_fpr=0.1))
    reconstructions = np.sqrt(np.abs(values))[:, None] * np.ones(4)  # of an input of zeros
    _, scores = table_of({"kind": "anomaly"}, output((4,)), reconstructions, labels)
    assert scores["auc"] == pytest.approx(sk.roc_auc_score(labels, np.abs(values)))


def test_sequence() -> None:
    labels = RNG.integers(0, 3, (COUNT, 7))
    logits = np.eye(3)[labels] + RNG.normal(0, 0.6, (COUNT, 7, 3))
    found = logits.argmax(-1)
    _, scores = table_of({"kind": "sequence", "ignore": -1}, output((7, 3)), logits,
                         np.where(np.arange(7) < 5, labels, -1))  # fmt: skip
    assert scores["step_accuracy"] == pytest.approx((found == labels)[:, :5].mean())
    assert scores["accuracy"] == pytest.approx((found == labels)[:, :5].all(axis=1).mean())
    keyword = labels[:, 0]
    _, scores = table_of({"kind": "sequence"}, output((7, 3)), logits, keyword)
    assert scores["accuracy"] == pytest.approx((logits.mean(1).argmax(1) == keyword).mean())


def test_fidelity() -> None:
    wanted = RNG.normal(size=(COUNT, 6))
    found = wanted + RNG.normal(0, 0.1, wanted.shape)
    _, scores = table_of({"kind": "fidelity"}, output((6,)), found, None, wanted)
    error = ((found - wanted) ** 2).mean()
    assert scores["relative_error"] == pytest.approx(np.sqrt(error / (wanted**2).mean()))
    assert scores["details"]["signal_to_noise_db_per_output"][0] == pytest.approx(
        10 * np.log10((wanted**2).mean() / error)
    )
    assert scores["same_largest"] == (found.argmax(1) == wanted.argmax(1)).mean()
    _, itself = table_of({"kind": "fidelity"}, output((6,)), wanted, None, wanted)
    assert (itself["relative_error"], itself["same_largest"]) == (0, 1)


def test_a_function_of_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_score.py").write_text(
        "def score(outputs, label):\n"
        "    return {'distance': abs(float(outputs['out'].sum()) - float(label))}\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    labels, values = RNG.normal(size=COUNT), RNG.normal(size=(COUNT, 2))
    task = {"kind": "own_score:score", "lower_is_better": "distance"}
    table, scores = table_of(task, output((2,)), values, labels)
    assert scores["distance"] == pytest.approx(np.abs(values.sum(1) - labels).mean())
    chosen = recipe.check(recipe.Task, task).chosen()
    assert chosen.metrics(table.column_names)["distance"].lower_is_better


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("raise KeyError('no')", "KeyError"),
        ("return 3", "type int"),
        ("return {}", "type dict"),
        ("return {'a': float('nan')}", "nan as 'a'"),
        ("return {'a b': 1}", "'a b'"),
        ("return {f'a{label}': 1}", "before a0"),
    ],
)
def test_what_a_function_may_not_do(
    body: str, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"bad_{abs(hash(body))}"
    (tmp_path / f"{name}.py").write_text(f"def score(outputs, label):\n    {body}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(DataError, match=r"example [01]") as caught:
        table_of({"kind": f"{name}:score"}, output((1,)), np.zeros((2, 1)), [0, 1])
    assert found in caught.value.found


def test_a_function_that_is_not_there() -> None:
    with pytest.raises(ParameterError, match="'no_such_module:score' cannot be imported"):
        table_of({"kind": "no_such_module:score"}, output((1,)), np.zeros((1, 1)), [0])


@pytest.mark.parametrize(
    ("task", "declared", "label", "message"),
    [
        ({"kind": "classification"}, output((3,)), 0.5, "a class index"),
        ({"kind": "classification"}, output((3,)), 3, "labels from 0 to 2"),
        ({"kind": "binary"}, output((1,)), 2, "0 or 1"),
        ({"kind": "multi_label"}, output((3,)), np.array([0, 1]), "3 numbers"),
        ({"kind": "multi_label"}, output((3,)), np.array([0, 1, 2]), "0 or 1"),
        ({"kind": "regression"}, output((2,)), np.array([1.0]), "2 numbers"),
        ({"kind": "regression"}, output((1,)), np.array([np.nan]), "finite"),
        ({"kind": "segmentation"}, output((2, 2, 3)), np.zeros((3, 3), int), r"shape \(2, 2\)"),
        ({"kind": "segmentation"}, output((2, 2, 3)), np.full((2, 2), 3), "classes from 0 to 2"),
        ({"kind": "segmentation"}, output((2, 2, 3)), np.zeros((2, 2)), "class indices"),
        ({"kind": "sequence"}, output((4, 3)), np.array([0, 1]), "each of 4 steps"),
        ({"kind": "sequence"}, output((4, 3)), np.array([0, 1, 5, 1]), "classes from 0 to 2"),
        ({"kind": "anomaly"}, output((1,)), 7, "0 or 1"),
    ],
)  # fmt: skip
def test_labels_that_a_task_cannot_use(
    task: dict[str, Any], declared: Output, label: Any, message: str
) -> None:
    found = np.zeros((1, *declared.shape[1:]))
    with pytest.raises(DataError, match=r"example 0|Some labels") as caught:
        table_of(task, declared, found, [label])
    assert re.search(message, str(caught.value))


@pytest.mark.parametrize(
    ("task", "outputs", "message"),
    [
        ({"kind": "classification"}, [output((4, 4, 2))], "as 'classification'"),
        ({"kind": "binary"}, [output((3,))], "as 'binary'"),
        ({"kind": "regression"}, [output((2000,))], "as 'regression'"),
        ({"kind": "segmentation"}, [output((3,))], "as 'segmentation'"),
        ({"kind": "segmentation"}, [output((4, 4))], "number of classes"),
        ({"kind": "segmentation", "classes": 4}, [output((4, 4, 3))], "`classes` is not"),
        ({"kind": "sequence"}, [output((1,))], "as 'sequence'"),
        ({"kind": "binary"}, [output((1,), name="a"), output((1,), name="b")], "several outputs"),
        ({"kind": "binary", "output": "bb"}, [output((1,), name="b")], "no output 'bb'"),
    ],
)  # fmt: skip
def test_outputs_that_a_task_cannot_use(
    task: dict[str, Any], outputs: list[Output], message: str
) -> None:
    with pytest.raises(ModelUnsupported, match=message):
        recipe.check(recipe.Task, task).chosen().bind(outputs)


def test_a_metric_that_is_not_a_number_names_itself() -> None:
    with pytest.raises(DataError, match="'auc' is not a number"):
        table_of({"kind": "binary"}, output((1,)), np.zeros((3, 1)), [1, 1, 1])


@pytest.mark.parametrize("name", sorted(TASKS.keys() - {"function", "detection"}))
def test_examples_without_labels_are_left_out(name: str) -> None:
    """A task that needs labels scores nothing without them, and does not fail."""
    if not TASKS[name].needs_labels:
        return
    declared = {"segmentation": output((2, 2, 2)), "sequence": output((3, 2)),
                "classification": output((3,))}.get(name, output((1,)))  # fmt: skip
    table, scores = table_of({"kind": name}, declared, np.zeros((2, *declared.shape[1:])), None)
    assert (scores["examples"], scores["labelled_examples"]) == (2, 0)
    assert table.num_rows == 2
