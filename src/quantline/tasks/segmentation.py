"""A class for each pixel."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from quantline.errors import ModelUnsupported
from quantline.metrics._statistic import estimated
from quantline.registry import Parameter
from quantline.tasks._checks import choose_output, probabilities, refuse_label, refuse_output
from quantline.tasks._parameters import IGNORE, MARGIN, OUTPUT, THRESHOLD
from quantline.tasks._task import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np

    from quantline.metrics import Rows
    from quantline.tasks._task import Output, Seen

CLASSES = Parameter(
    "classes", default=None, meaning="the number of classes, for a model whose output is a map of "
    "classes", type=int, at_least=2,
)  # fmt: skip


@dataclass(frozen=True)
class SegmentationScorer:
    """Rows of how many pixels of each class are labelled, found, and right.

    Attributes:
        output: The output.
        index: Its index.
        classes: The number of classes.
        ignore: The label of pixels that do not count; None if all do.
        threshold: The probability of class 1, for an output of one probability a pixel.
    """

    output: Output
    index: int
    classes: int
    ignore: int | None
    threshold: float

    @property
    def columns(self) -> Mapping[str, str]:
        """The columns of a row."""
        return {"label_pixels": "ints", "found_pixels": "ints", "right_pixels": "ints"}

    @property
    def about(self) -> Mapping[str, Any]:
        """The number of classes."""
        return {"classes": self.classes}

    def row(self, seen: Seen) -> dict[str, Any]:
        """Return the row of one example."""
        import numpy as np

        if seen.label is None:
            return dict.fromkeys(self.columns)
        found = self._map(seen.outputs[self.index])
        label = np.asarray(seen.label)
        if label.ndim == found.ndim + 1 and 1 in (label.shape[0], label.shape[-1]):
            label = label[..., 0] if label.shape[-1] == 1 else label[0]
        if label.shape != found.shape or label.dtype.kind not in "biu":
            raise refuse_label(
                seen,
                f"a map of class indices of shape {found.shape}, as the model gives; where images "
                "are resized, masks have to follow",
            )
        label = label.astype(np.int64)
        counts = label != self.ignore if self.ignore is not None else np.ones(label.shape, bool)
        label, found = label[counts], found[counts]
        if label.size and not 0 <= label.min() <= label.max() < self.classes:
            wrong = sorted({int(label.min()), int(label.max())} - set(range(self.classes)))
            raise refuse_label(
                seen,
                f"classes from 0 to {self.classes - 1}, or the value of `ignore` ({self.ignore})",
                f"pixels of class {' and '.join(map(str, wrong))}",
            )
        # An output of classes may name one that is none of them: it is found, and never right.
        known = found[(found >= 0) & (found < self.classes)]
        return {
            "label_pixels": np.bincount(label, minlength=self.classes),
            "found_pixels": np.bincount(known, minlength=self.classes),
            "right_pixels": np.bincount(label[label == found], minlength=self.classes),
        }

    def _map(self, output: np.ndarray) -> np.ndarray:
        """Return the class of each pixel, array of shape (height, width)."""
        import numpy as np

        shape = self.output.shape
        if len(shape) == 4 and shape[-1] > 1:
            return np.asarray(output[0].argmax(axis=-1))
        image = output.reshape(shape[1:3])
        if self._is_probability:
            return np.asarray(probabilities(image, self.output.meaning) >= self.threshold, int)
        return np.asarray(np.rint(np.nan_to_num(image, nan=-1.0)), np.int64)

    @property
    def _is_probability(self) -> bool:
        return self.classes == 2 and self.output.meaning == "probabilities"


def _bind(values: Mapping[str, Any], outputs: Sequence[Output]) -> SegmentationScorer:
    index = choose_output(outputs, values["output"])
    output, classes = outputs[index], values["classes"]
    expected = "(1, height, width, classes) for scores, or (1, height, width) for a map of classes"
    if len(output.shape) not in (3, 4) or output.shape[0] != 1 or not prod(output.shape):
        raise refuse_output("segmentation", output, expected)
    has_scores = len(output.shape) == 4 and output.shape[-1] > 1
    if has_scores:
        if classes not in (None, output.shape[-1]):
            raise ModelUnsupported(
                "`classes` is not the number of classes of the model",
                found=f"{classes}, and an output of shape {output.shape}",
                expected=str(output.shape[-1]),
                remedy="Leave `classes` out for a model that gives scores",
            )
        classes = output.shape[-1]
    elif classes is None and output.meaning == "probabilities":
        classes = 2
    elif classes is None:
        raise ModelUnsupported(
            "The number of classes of a map of classes is not known",
            found=f"the output '{output.name}' of shape {output.shape}, and no `classes`",
            expected="how many classes the model has",
            remedy="Set `classes`, such as `classes=21`",
        )
    return SegmentationScorer(output, index, classes, values["ignore"], values["threshold"])


def _intersection_over_union(rows: Rows) -> Callable[[np.ndarray], np.ndarray]:
    right = rows["right_pixels"].astype(float)
    union = rows["label_pixels"] + rows["found_pixels"] - right

    def per_class(weights: np.ndarray) -> np.ndarray:
        import numpy as np

        whole = weights @ union
        return np.asarray(np.where(whole > 0, weights @ right / np.maximum(whole, 1), np.nan))

    return per_class


def _mean_iou(rows: Rows) -> Callable[[np.ndarray], float]:
    import numpy as np

    per_class = _intersection_over_union(rows)

    def statistic(weights: np.ndarray) -> float:
        found = per_class(weights)
        found = found[~np.isnan(found)]
        return float(found.mean()) if found.size else float("nan")

    return statistic


def _pixel_accuracy(rows: Rows) -> Callable[[np.ndarray], float]:
    right = rows["right_pixels"].sum(axis=1).astype(float)
    pixels = rows["label_pixels"].sum(axis=1).astype(float)

    def statistic(weights: np.ndarray) -> float:
        total = weights @ pixels
        return float(weights @ right / total) if total else float("nan")

    return statistic


_METRICS = (
    estimated("mean_iou", "mean IoU", "the mean over the classes of intersection over union, of "
              "the pixels of all examples; a class that is nowhere does not count", _mean_iou,
              margin=MARGIN),
    estimated("pixel_accuracy", "pixel accuracy", "the share of pixels that are right",
              _pixel_accuracy),
)  # fmt: skip


def _details(rows: Rows) -> dict[str, Any]:
    import numpy as np

    found = _intersection_over_union(rows)(np.ones(len(rows), int))
    return {"iou_per_class": [None if np.isnan(value) else float(value) for value in found]}


TASK = Task(
    name="segmentation",
    summary="a class for each pixel",
    outputs="scores (1, height, width, classes), one probability a pixel, or a map of classes",
    labels="a map of class indices of the same height and width",
    bind=_bind,
    metrics=lambda *_: _METRICS,
    parameters=(OUTPUT, CLASSES, IGNORE, THRESHOLD),
    details=_details,
    order=50,
)
