"""Yes or no: one logit or probability an example, labels 0 or 1."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any

from quantline.metrics._statistic import estimated, mean_of
from quantline.tasks._checks import choose_output, probabilities, refuse_output, zero_or_one
from quantline.tasks._counts import counted, f1, precision, recall
from quantline.tasks._parameters import MARGIN, OUTPUT, THRESHOLD
from quantline.tasks._ranking import area_under_curve, too_few_positives
from quantline.tasks._task import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np

    from quantline.metrics import Rows
    from quantline.tasks._task import Output, Seen


@dataclass(frozen=True)
class BinaryScorer:
    """Rows of the label, the probability of 1 and the answer.

    Attributes:
        index: The index of the output.
        meaning: The meaning of its values.
        threshold: The probability from which the answer is 1.
    """

    index: int
    meaning: str
    threshold: float
    columns: Mapping[str, str] = field(
        default_factory=lambda: {
            "label": "int", "score": "float", "prediction": "int", "right": "int",
        }
    )  # fmt: skip
    about: Mapping[str, Any] = field(default_factory=lambda: {"classes": 2})

    def row(self, seen: Seen) -> dict[str, Any]:
        """Return the row of one example."""
        label = None if seen.label is None else zero_or_one(seen)
        values = seen.outputs[self.index].ravel()
        if values.size == 2 and self.meaning == "logits":
            values = values[1:] - values[:1]  # of two classes, only the difference counts
        score = float(probabilities(values, self.meaning)[-1])
        answer = int(score >= self.threshold)
        return {
            "label": label,
            "score": score,
            "prediction": answer,
            "right": None if label is None else int(answer == label),
        }


def _bind(values: Mapping[str, Any], outputs: Sequence[Output]) -> BinaryScorer:
    index = choose_output(outputs, values["output"])
    if prod(outputs[index].shape) not in (1, 2):
        expected = "one logit or probability, or those of the two classes"
        raise refuse_output("binary", outputs[index], expected)
    return BinaryScorer(index, outputs[index].meaning, values["threshold"])


def _auc(rows: Rows) -> Callable[[np.ndarray], float]:
    return area_under_curve(rows["label"], rows["score"])


def _counted(formula: Any, rows: Rows) -> Callable[[np.ndarray], float]:
    return counted(rows["label"][:, None], rows["prediction"][:, None], formula, pooled=True)


def _too_few(rows: Rows) -> str | None:
    return too_few_positives(rows["label"])


_METRICS = (
    estimated("auc", "AUC", "the area under the ROC curve", _auc, margin=MARGIN,
              too_few=_too_few),
    estimated("accuracy", "accuracy", "the share of right answers", mean_of("right")),
    estimated("f1", "F1", "the harmonic mean of precision and recall", partial(_counted, f1)),
    estimated("precision", "precision", "the share of yes that is right",
              partial(_counted, precision)),
    estimated("recall", "recall", "the share of positive examples that get a yes",
              partial(_counted, recall)),
)  # fmt: skip


TASK = Task(
    name="binary",
    summary="yes or no",
    outputs="one logit or probability, or the scores of two classes",
    labels="0 or 1",
    bind=_bind,
    metrics=lambda *_: _METRICS,
    parameters=(OUTPUT, THRESHOLD),
    order=20,
)
