"""Class scores over time or tokens: a label a step, or one for all of them."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from quantline.metrics._statistic import estimated, mean_of
from quantline.tasks._checks import choose_output, refuse_label, refuse_output
from quantline.tasks._parameters import IGNORE, MARGIN, OUTPUT
from quantline.tasks._task import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np

    from quantline.metrics import Rows
    from quantline.tasks._task import Output, Seen


@dataclass(frozen=True)
class SequenceScorer:
    """Rows of how many steps are labelled, and how many of these are right.

    Attributes:
        index: The index of the output.
        steps: The number of steps.
        classes: The number of classes.
        ignore: The label of steps that do not count; None if all do.
    """

    index: int
    steps: int
    classes: int
    ignore: int | None

    @property
    def columns(self) -> Mapping[str, str]:
        """The columns of a row."""
        return {"label_steps": "int", "right_steps": "int", "right": "int"}

    @property
    def about(self) -> Mapping[str, Any]:
        """The numbers of classes and steps."""
        return {"classes": self.classes, "steps": self.steps}

    def row(self, seen: Seen) -> dict[str, Any]:
        """Return the row of one example; one label for all steps is that of their mean score."""
        import numpy as np

        if seen.label is None:
            return dict.fromkeys(self.columns)
        scores = np.nan_to_num(seen.outputs[self.index].astype(float), nan=-np.inf)
        scores = scores.reshape(self.steps, self.classes)
        label = np.asarray(seen.label)
        if label.dtype.kind not in "iu" or label.size not in (1, self.steps):
            raise refuse_label(seen, f"one class index, or one for each of {self.steps} steps")
        label = label.ravel()
        found = scores.mean(axis=0, keepdims=True).argmax(axis=1)
        if label.size == self.steps:
            found = scores.argmax(axis=1)
        counts = np.ones(label.shape, bool) if self.ignore is None else label != self.ignore
        outside = counts & ((label < 0) | (label >= self.classes))
        if outside.any():
            wrong = int(label[outside][0])
            raise refuse_label(seen, f"classes from 0 to {self.classes - 1}", f"class {wrong}")
        right = int((label == found)[counts].sum())
        steps = int(counts.sum())
        return {"label_steps": steps, "right_steps": right, "right": int(right == steps)}


def _bind(values: Mapping[str, Any], outputs: Sequence[Output]) -> SequenceScorer:
    index = choose_output(outputs, values["output"])
    shape = outputs[index].shape
    if len(shape) < 2 or shape[-1] < 2 or prod(shape) < shape[-1]:
        raise refuse_output("sequence", outputs[index], "(1, steps, classes)")
    return SequenceScorer(index, prod(shape[:-1]), shape[-1], values["ignore"])


def _step_accuracy(rows: Rows) -> Callable[[np.ndarray], float]:
    right, steps = rows["right_steps"].astype(float), rows["label_steps"].astype(float)

    def statistic(weights: np.ndarray) -> float:
        total = weights @ steps
        return float(weights @ right / total) if total else float("nan")

    return statistic


_METRICS = (
    estimated("step_accuracy", "steps right", "the share of labelled steps that are right",
              _step_accuracy, margin=MARGIN),
    estimated("accuracy", "all right", "the share of examples with every step right",
              mean_of("right")),
)  # fmt: skip


TASK = Task(
    name="sequence",
    summary="class scores over time or tokens",
    outputs="scores (1, steps, classes)",
    labels="a class index a step, or one for all steps, such as a keyword",
    bind=_bind,
    metrics=lambda *_: _METRICS,
    parameters=(OUTPUT, IGNORE),
    order=70,
)
