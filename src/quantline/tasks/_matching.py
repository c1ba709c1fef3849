"""COCO's average precision of boxes, for images with weights.

Detections are matched to the labels once for each image; what a draw of the bootstrap costs is the
sums. With each image once it is pycocotools' figure for areas of all sizes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

THRESHOLDS = tuple(0.5 + 0.05 * step for step in range(10))
_RECALLS = 101


def true_positives(
    boxes: np.ndarray,
    classes: np.ndarray,
    scores: np.ndarray,
    true_boxes: np.ndarray,
    true_classes: np.ndarray,
) -> np.ndarray:
    """Match the detections of one image to its labels.

    From the highest score down, a detection takes the label of its class that it overlaps most,
    of those that are free and overlap it enough.

    Args:
        boxes: array of shape (n_detections, 4): ymin, xmin, ymax, xmax.
        classes: array of shape (n_detections,).
        scores: array of shape (n_detections,).
        true_boxes: array of shape (n_labels, 4).
        true_classes: array of shape (n_labels,).

    Returns:
        Booleans of shape (n_detections, n_thresholds).
    """
    import numpy as np

    found = np.zeros((len(boxes), len(THRESHOLDS)), bool)
    overlaps = _overlaps(boxes, true_boxes)
    overlaps[classes[:, None] != true_classes[None, :]] = -1.0
    for column, threshold in enumerate(THRESHOLDS):
        free = np.ones(len(true_boxes), bool)
        for at in np.argsort(-scores, kind="stable"):
            own = np.where(free, overlaps[at], -1.0)
            if len(own) and own.max() >= min(threshold, 1 - 1e-10):
                # Of labels that are overlapped as much, pycocotools takes the last one.
                best = len(own) - 1 - int(own[::-1].argmax())
                free[best] = False
                found[at, column] = True
    return found


def mean_average_precision(
    label_classes: np.ndarray, scores: np.ndarray, classes: np.ndarray, matches: np.ndarray
) -> Callable[[np.ndarray], float]:
    """Prepare the mean over classes and thresholds of the interpolated average precision.

    Args:
        label_classes: array of shape (n_images, n_labels), -1 where there is none.
        scores: array of shape (n_images, n_detections), -1 where there is none.
        classes: array of shape (n_images, n_detections).
        matches: array of shape (n_images, n_detections, n_thresholds), 0 or 1.

    Returns:
        A function of how often each image counts; it is NaN without a label.
    """
    import numpy as np

    prepared = []
    for one in present(label_classes):
        image, place = np.nonzero((classes == one) & (scores >= 0))
        order = np.argsort(-scores[image, place], kind="stable")
        image, place = image[order], place[order]
        labels = (label_classes == one).sum(axis=1).astype(float)
        prepared.append((labels, image, matches[image, place].T))

    def statistic(weights: np.ndarray) -> float:
        found = [
            _interpolated(weights[image], hits, total)
            for labels, image, hits in prepared
            if (total := float(weights @ labels)) > 0
        ]
        return float(np.mean(found)) if found else float("nan")

    return statistic


def present(label_classes: np.ndarray) -> list[int]:
    """Return the classes that have a label."""
    import numpy as np

    return [int(one) for one in np.unique(label_classes) if one >= 0]


def _interpolated(weights: np.ndarray, hits: np.ndarray, total: float) -> float:
    """Return the mean over the thresholds of the precision at 101 values of the recall."""
    import numpy as np

    if not len(weights):
        return 0.0
    true = np.cumsum(weights * hits, axis=1)
    every = np.cumsum(weights)
    precision = true / np.maximum(every, 1e-300)
    precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    at = np.linspace(0, 1, _RECALLS)
    values = []
    for row, recall in zip(precision, true / total, strict=True):
        places = np.searchsorted(recall, at, side="left")
        values.append(np.where(places < len(row), row[np.minimum(places, len(row) - 1)], 0).mean())
    return float(np.mean(values))


def _overlaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the intersection over union of each box with each other one."""
    import numpy as np

    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=-1)
    areas = [np.clip(one[:, 2:] - one[:, :2], 0, None).prod(axis=-1) for one in (boxes, others)]
    return np.asarray(shared / np.maximum(areas[0][:, None] + areas[1][None] - shared, 1e-300))
