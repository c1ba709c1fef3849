"""Average precision of boxes against pycocotools, and labels and outputs that are refused."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from quantline import recipe
from quantline.errors import DataError, ModelUnsupported
from quantline.evaluation.metrics import score_task
from quantline.evaluation.pairs import rows_of
from quantline.evaluation.predict import make_table
from quantline.tasks import Output, Seen

MOST, IMAGES = 12, 40
SIZE = 1000.0  # of an image, in pixels: pycocotools takes boxes in pixels
OUTPUTS = [
    Output("boxes", (1, MOST, 4), "logits"),
    Output("classes", (1, MOST), "logits"),
    Output("scores", (1, MOST), "logits"),
    Output("count", (1,), "logits"),
]


def draw(seed: int) -> list[tuple[np.ndarray, list[np.ndarray]]]:
    """Return for each image its labels, and what a detector of middling quality gives."""
    rng = np.random.default_rng(seed)
    images = []
    for _ in range(IMAGES):
        count = int(rng.integers(0, 6))
        low = rng.uniform(0, 0.6, (count, 2))
        boxes = np.concatenate([low, low + rng.uniform(0.1, 0.4, (count, 2))], axis=1)
        classes = rng.integers(0, 3, count)
        labels = np.concatenate([classes[:, None], boxes], axis=1)
        found = int(rng.integers(0, MOST + 1))
        chosen = rng.integers(0, count, found) if count else np.zeros(0, int)
        near = np.zeros((MOST, 4))
        named = np.zeros(MOST)
        scores = np.zeros(MOST)
        for at, one in enumerate(chosen):
            near[at] = np.clip(boxes[one] + rng.normal(0, 0.03, 4), 0, 1)
            named[at] = classes[one] if rng.uniform() < 0.85 else rng.integers(0, 3)
            scores[at] = np.round(rng.uniform(), 3)
        outputs = [near[None], named[None], scores[None], np.array([float(len(chosen))])]
        images.append((labels, outputs))
    return images


def coco(images: list[tuple[np.ndarray, list[np.ndarray]]]) -> tuple[float, float]:
    """Return COCO's two figures by pycocotools."""

    def box(corners: np.ndarray) -> list[float]:
        top, left, bottom, right = (SIZE * corners).tolist()
        return [left, top, right - left, bottom - top]

    truth = COCO()
    annotations: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for image, (labels, outputs) in enumerate(images, start=1):
        for row in labels:
            own = box(row[1:])
            annotations.append({"id": len(annotations) + 1, "image_id": image, "bbox": own,
                                "category_id": int(row[0]) + 1, "area": own[2] * own[3],
                                "iscrowd": 0})  # fmt: skip
        boxes, classes, scores, count = (array[0] for array in outputs)
        results += [
            {"image_id": image, "bbox": box(boxes[at]), "category_id": int(classes[at]) + 1,
             "score": float(scores[at])}
            for at in range(int(count))
        ]  # fmt: skip
    truth.dataset = {
        "images": [{"id": image} for image in range(1, len(images) + 1)],
        "annotations": annotations,
        "categories": [{"id": one} for one in (1, 2, 3)],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0]), float(evaluation.stats[1])


def table_of(images: list[tuple[np.ndarray, list[np.ndarray]]], **task: Any) -> Any:
    chosen = recipe.check(recipe.Task, {"kind": "detection", **task}).chosen()
    scorer = chosen.bind(OUTPUTS)
    rows = [
        (str(at), scorer.row(Seen(str(at), labels, [], outputs)))
        for at, (labels, outputs) in enumerate(images)
    ]
    return chosen, scorer, make_table(rows, scorer, chosen)


@pytest.mark.parametrize("seed", range(4))
def test_it_is_cocos_figure(seed: int) -> None:
    images = draw(seed)
    chosen, scorer, table = table_of(images)
    scores = score_task(table, chosen, scorer.about)
    every, half = coco(images)
    assert scores["map"] == pytest.approx(every, abs=1e-6)
    assert scores["map_50"] == pytest.approx(half, abs=1e-6)
    assert 0 < scores["map_low"] <= scores["map"] <= scores["map_high"] < 1


def test_weights_stand_for_repeated_images() -> None:
    images = draw(9)
    chosen, _, table = table_of(images)
    statistic = chosen.metrics([])["map"].statistic
    assert statistic is not None
    weights = np.random.default_rng(1).multinomial(IMAGES, np.full(IMAGES, 1 / IMAGES))
    again = [images[at] for at in np.repeat(np.arange(IMAGES), weights)]
    assert statistic(rows_of(table))(weights) == pytest.approx(coco(again)[0], abs=2e-3)


def test_classes_of_the_model_may_be_shifted() -> None:
    images = draw(2)
    shifted = [(np.concatenate([labels[:, :1] + 1, labels[:, 1:]], axis=1), outputs)
               for labels, outputs in images]  # fmt: skip
    found = []
    for data, offset in ((images, 0), (shifted, 1), (shifted, 0)):
        chosen, scorer, table = table_of(data, class_offset=offset)
        found.append(score_task(table, chosen, scorer.about)["map"])
    assert found[0] == found[1] > found[2]


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (np.array([[0, 0.1, 0.1, 0.5, 1.4]]), "outside of the image"),
        (np.array([[0, 0.5, 0.1, 0.1, 0.4]]), "without an area"),
        (np.array([0.1, 0.1, 0.5, 0.4]), "rows of five numbers"),
        (np.array([[0, 0.1, np.nan, 0.5, 0.4]]), "outside of the image"),
    ],
)
def test_labels_that_are_no_boxes(label: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match="The label of the example '0'") as caught:
        table_of([(label, draw(0)[0][1])])
    assert message in str(caught.value)


def test_outputs_that_are_no_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = recipe.check(recipe.Task, {"kind": "detection"}).chosen()
    for outputs in (OUTPUTS[:2], [OUTPUTS[1], *OUTPUTS[:3]], [Output("a", (1, 10), "logits")]):
        with pytest.raises(ModelUnsupported, match="not those of a detector"):
            chosen.bind(outputs)
    named = recipe.check(recipe.Task, {"kind": "detection", "outputs": "boxes, class"}).chosen()
    with pytest.raises(ModelUnsupported, match="no output 'class'"):
        named.bind(OUTPUTS)
