"""Boxes with scores and classes, as TFLite's post-processing operator gives them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any

from quantline.errors import ModelUnsupported, suggest
from quantline.metrics._statistic import estimated
from quantline.registry import Parameter
from quantline.tasks._checks import refuse_label
from quantline.tasks._matching import THRESHOLDS, mean_average_precision, present, true_positives
from quantline.tasks._parameters import MARGIN
from quantline.tasks._task import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np

    from quantline.metrics import Rows
    from quantline.tasks._task import Output, Seen

OUTPUTS = Parameter(
    "outputs", default=None, type=str, meaning="the outputs of boxes, classes, scores and, if "
    "there is one, count, by name and separated by commas; the model's order if null",
)  # fmt: skip
CLASS_OFFSET = Parameter(
    "class_offset", default=0, type=int, meaning="the number that is added to the classes that the "
    "model gives, to get those of the labels",
)  # fmt: skip
_BOX = 5  # numbers of a label: class, then the box


@dataclass(frozen=True)
class DetectionScorer:
    """Rows of each detection's score, class and matches, and of the classes of the labels.

    Attributes:
        indices: The indices of the outputs of boxes, classes and scores.
        count: The index of the output that counts the detections; None without one.
        most: The largest number of detections.
        offset: The number that is added to the classes that the model gives.
    """

    indices: tuple[int, int, int]
    count: int | None
    most: int
    offset: int

    @property
    def columns(self) -> Mapping[str, str]:
        """The columns of a row; lists are filled up with a score and a class of -1."""
        return {
            "label_classes": "floats",
            "scores": "floats",
            "classes": "floats",
            "matches": "floats",
        }

    @property
    def about(self) -> Mapping[str, Any]:
        """The largest number of detections."""
        return {"detections": self.most}

    def row(self, seen: Seen) -> dict[str, Any]:
        """Return the row of one example; its label is an array of rows (class, box)."""
        import numpy as np

        if seen.label is None:
            return dict.fromkeys(self.columns)
        truth = self._truth(seen)
        boxes, classes, scores = (seen.outputs[index] for index in self.indices)
        found = self.most if self.count is None else int(seen.outputs[self.count].ravel()[0])
        boxes = boxes.reshape(-1, 4)[:found].astype(float)
        classes = np.rint(classes.ravel()[:found]).astype(int) + self.offset
        scores = np.nan_to_num(scores.ravel()[:found].astype(float), nan=0.0)
        matches = true_positives(boxes, classes, scores, truth[:, 1:], truth[:, 0].astype(int))
        empty = self.most - len(scores)
        return {
            "label_classes": np.pad(truth[:, 0], (0, _LABELS - len(truth)), constant_values=-1.0),
            "scores": np.pad(scores, (0, empty), constant_values=-1.0),
            "classes": np.pad(classes.astype(float), (0, empty), constant_values=-1.0),
            "matches": np.pad(matches.astype(float), ((0, empty), (0, 0))).ravel(),
        }

    def _truth(self, seen: Seen) -> np.ndarray:
        """Return the boxes of a label, array of shape (n_boxes, 5), without those of class -1."""
        import numpy as np

        expected = (
            "rows of five numbers: the class, then ymin, xmin, ymax and xmax as shares of the "
            "image; a class of -1 fills up"
        )
        label = np.asarray(seen.label)
        if label.size == 0:
            return np.zeros((0, _BOX))
        if label.ndim != 2 or label.shape[1] != _BOX or label.dtype.kind not in "iuf":
            raise refuse_label(seen, expected)
        label = label[label[:, 0] >= 0].astype(float)
        if len(label) > _LABELS:
            raise refuse_label(seen, f"at most {_LABELS} boxes", f"{len(label)} boxes")
        corners = label[:, 1:]
        if not np.isfinite(label).all() or (corners < -_EDGE).any() or (corners > 1 + _EDGE).any():
            raise refuse_label(seen, expected, "a box outside of the image")
        if (corners[:, 2:] <= corners[:, :2]).any():
            raise refuse_label(seen, expected, "a box without an area")
        return label


_LABELS = 200  # boxes an example
_EDGE = 0.01  # by which a box may leave the image, as boxes that were rounded do


def _bind(values: Mapping[str, Any], outputs: Sequence[Output]) -> DetectionScorer:
    names = [output.name for output in outputs]
    asked = [name.strip() for name in (values["outputs"] or ",".join(names)).split(",")]
    for name in asked:
        if name not in names:
            raise ModelUnsupported(
                f"The model has no output '{name}'",
                found=f"the outputs {', '.join(map(repr, names))}",
                expected="the names of the outputs of boxes, classes and scores as `outputs`",
                remedy=suggest(name, names) or "Correct `outputs`",
            )
    chosen = [names.index(name) for name in asked]
    shapes = [outputs[index].shape for index in chosen]
    most = prod(shapes[0]) // 4 if shapes else 0
    if len(chosen) not in (3, 4) or not most or shapes[0][-1] != 4 or any(
        prod(shape) != most for shape in shapes[1:3]
    ) or (len(chosen) == 4 and prod(shapes[3]) != 1):  # fmt: skip
        raise ModelUnsupported(
            "The model's outputs are not those of a detector",
            found="; ".join(f"'{name}' {outputs[names.index(name)].shape}" for name in asked),
            expected="boxes (1, n, 4), classes (1, n), scores (1, n) and, if there is one, a "
            "count, as TFLite_Detection_PostProcess gives them",
            remedy="Name them in this order with `outputs`; raw heads need a function of your own "
            "that decodes them, as the task 'module:function'",
        )
    count = chosen[3] if len(chosen) == 4 else None
    first, second, third = chosen[:3]
    return DetectionScorer((first, second, third), count, most, values["class_offset"])


def _mean(rows: Rows, *, first_only: bool) -> Callable[[np.ndarray], float]:
    matches = rows["matches"].reshape(len(rows), -1, len(THRESHOLDS))
    if first_only:
        matches = matches[..., :1]
    return mean_average_precision(rows["label_classes"], rows["scores"], rows["classes"], matches)


def _too_few(rows: Rows) -> str | None:
    import numpy as np

    classes = rows["label_classes"]
    images = {int(one): int((classes == one).any(axis=1).sum()) for one in present(classes)}
    if not images or min(images.values()) >= _IMAGES:
        return None
    rarest = min(images, key=lambda one: images[one])
    return (
        f"class {rarest} is in {images[rarest]} of {len(np.atleast_1d(classes))} images, and "
        f"{_IMAGES} are needed"
    )


_IMAGES = 20
_METRICS = (
    estimated("map", "mAP", "the mean over the classes, and over ten thresholds of overlap from "
              "0.5 to 0.95, of COCO's average precision", partial(_mean, first_only=False),
              margin=MARGIN, too_few=_too_few),
    estimated("map_50", "mAP at 0.5", "the same at an overlap of 0.5",
              partial(_mean, first_only=True), too_few=_too_few),
)  # fmt: skip


TASK = Task(
    name="detection",
    summary="boxes, with classes and scores",
    outputs="boxes (1, n, 4), classes (1, n), scores (1, n) and a count",
    labels="rows of class, ymin, xmin, ymax, xmax, as shares of the image",
    bind=_bind,
    metrics=lambda *_: _METRICS,
    parameters=(OUTPUTS, CLASS_OFFSET),
    order=55,
)
