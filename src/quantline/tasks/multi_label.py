"""Several classes at once: a probability a class, labels of 0 and 1."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any

from quantline.metrics._statistic import estimated
from quantline.tasks._checks import choose_output, numbers, probabilities, refuse_label
from quantline.tasks._counts import counted, f1
from quantline.tasks._parameters import MARGIN, OUTPUT, THRESHOLD
from quantline.tasks._ranking import average_precision, too_few_positives
from quantline.tasks._task import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np

    from quantline.metrics import Rows
    from quantline.tasks._task import Output, Seen


@dataclass(frozen=True)
class MultiLabelScorer:
    """Rows of the label, each class's probability, and the classes that are answered.

    Attributes:
        index: The index of the output.
        meaning: The meaning of its values.
        classes: The number of classes.
        threshold: The probability from which a class is answered.
    """

    index: int
    meaning: str
    classes: int
    threshold: float

    @property
    def columns(self) -> Mapping[str, str]:
        """The columns of a row."""
        return {"label": "ints", "score": "floats", "answer": "ints", "right": "int"}

    @property
    def about(self) -> Mapping[str, Any]:
        """The number of classes."""
        return {"classes": self.classes}

    def row(self, seen: Seen) -> dict[str, Any]:
        """Return the row of one example; it is right if all its classes are."""
        score = probabilities(seen.outputs[self.index].ravel(), self.meaning)
        answer = (score >= self.threshold).astype(int)
        row: dict[str, Any] = {"label": None, "score": score, "answer": answer, "right": None}
        if seen.label is not None:
            label = numbers(seen, self.classes)
            if not set(label.tolist()) <= {0.0, 1.0}:
                raise refuse_label(seen, f"{self.classes} numbers that are 0 or 1")
            row |= {"label": label.astype(int), "right": int((answer == label).all())}
        return row


def _bind(values: Mapping[str, Any], outputs: Sequence[Output]) -> MultiLabelScorer:
    index = choose_output(outputs, values["output"])
    output = outputs[index]
    return MultiLabelScorer(index, output.meaning, prod(output.shape), values["threshold"])


def _mean_average_precision(rows: Rows) -> Callable[[np.ndarray], float]:
    import numpy as np

    columns = [
        average_precision(labels, scores)
        for labels, scores in zip(rows["label"].T, rows["score"].T, strict=True)
        if labels.any()
    ]

    def statistic(weights: np.ndarray) -> float:
        found = np.array([column(weights) for column in columns])
        found = found[~np.isnan(found)]
        return float(found.mean()) if found.size else float("nan")

    return statistic


def _f1(rows: Rows, *, pooled: bool) -> Callable[[np.ndarray], float]:
    return counted(rows["label"], rows["answer"], f1, pooled=pooled)


def _too_few(rows: Rows) -> str | None:
    return too_few_positives(rows["label"])


_METRICS = (
    estimated("mean_average_precision", "mAP",
              "the mean over the classes of the average precision", _mean_average_precision,
              margin=MARGIN, too_few=_too_few),
    estimated("f1_micro", "F1, micro", "F1 of the answers of all classes together",
              partial(_f1, pooled=True)),
    estimated("f1_macro", "F1, macro", "the mean over the classes of F1",
              partial(_f1, pooled=False)),
)  # fmt: skip


def _details(rows: Rows) -> dict[str, Any]:
    import numpy as np

    every = np.ones(len(rows), int)
    pairs = zip(rows["label"].T, rows["score"].T, strict=True)
    found = [average_precision(labels, scores)(every) for labels, scores in pairs]
    return {
        "average_precision_per_class": [None if np.isnan(value) else value for value in found],
        "examples_per_class": rows["label"].sum(axis=0).tolist(),
    }


TASK = Task(
    name="multi_label",
    summary="any number of classes an example",
    outputs="a logit or probability for each class",
    labels="0 or 1 for each class",
    bind=_bind,
    metrics=lambda *_: _METRICS,
    parameters=(OUTPUT, THRESHOLD),
    details=_details,
    order=30,
)
