"""Embeddings against scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from quantline import recipe
from quantline.errors import DataError
from quantline.evaluation.metrics import score_task
from quantline.evaluation.predict import make_table
from quantline.report.table import shown_metrics
from quantline.tasks import Output, Seen

RNG = np.random.default_rng(2)
COUNT, SIZE = 90, 16


def scored(vectors: np.ndarray, labels: Any, floats: np.ndarray, **task: Any) -> dict[str, Any]:
    chosen = recipe.check(recipe.Task, {"kind": "embedding", **task}).chosen()
    scorer = chosen.bind([Output("out", (1, SIZE), "logits")])
    rows = [
        (str(at), scorer.row(Seen(str(at), None if labels is None else labels[at], [],
                                  [vectors[at][None]], [floats[at][None]])))
        for at in range(len(vectors))
    ]  # fmt: skip
    table = make_table(rows, scorer, chosen)
    return score_task(table, chosen, scorer.about)


def test_it_is_scikit_learns() -> None:
    labels = RNG.integers(0, 30, COUNT)
    centres = RNG.normal(size=(30, SIZE))
    floats = centres[labels] + RNG.normal(0, 0.8, (COUNT, SIZE))
    vectors = floats + RNG.normal(0, 0.2, floats.shape)
    found = scored(vectors, labels, floats, neighbours=3)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    _, near = NearestNeighbors(n_neighbors=4, metric="cosine").fit(unit).kneighbors(unit)
    counted = np.array([(labels == label).sum() > 1 for label in labels])
    right = (labels[near[:, 1:]] == labels[:, None]).any(axis=1)
    assert found["recall"] == pytest.approx(right[counted].mean())
    first, second = np.triu_indices(COUNT, 1)
    wanted = roc_auc_score(labels[first] == labels[second], (unit @ unit.T)[first, second])
    assert found["verification_auc"] == pytest.approx(wanted)
    cosines = (unit * floats).sum(1) / np.linalg.norm(floats, axis=1)
    assert found["cosine"] == pytest.approx(cosines.mean())


def test_without_labels_the_cosine_is_left() -> None:
    vectors = RNG.normal(size=(5, SIZE))
    found = scored(vectors, None, vectors)
    assert found["cosine"] == pytest.approx(1)
    assert "recall" not in found


def test_labels_for_some_examples_only() -> None:
    vectors = RNG.normal(size=(2, SIZE))
    with pytest.raises(DataError, match="The label of the example '1'"):
        scored(vectors, [1, None], vectors)


def test_a_report_shows_what_was_scored() -> None:
    vectors, labels = RNG.normal(size=(40, SIZE)), RNG.integers(0, 4, 40)
    found = {"task": "embedding", **scored(vectors, labels, vectors)}
    shown = [metric.name for metric in shown_metrics(found)]
    assert shown == ["cosine", "recall", "verification_auc"]
    alone = {"task": "embedding", **scored(vectors, None, vectors)}
    assert [metric.name for metric in shown_metrics(alone)] == ["cosine"]
