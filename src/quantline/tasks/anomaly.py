"""Normal or not: a score, or a reconstruction of the input whose error is the score."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any

from quantline.errors import ModelUnsupported
from quantline.metrics._statistic import estimated
from quantline.registry import Parameter
from quantline.tasks._checks import choose_output, zero_or_one
from quantline.tasks._parameters import MARGIN, OUTPUT
from quantline.tasks._ranking import area_under_curve, too_few_positives
from quantline.tasks._task import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np

    from quantline.metrics import Metric, Rows
    from quantline.tasks._task import Output, Seen

FALSE_POSITIVES = Parameter(
    "max_false_positive_rate", default=0.1, meaning="the end of the part of the ROC curve that the "
    "partial AUC is of", above=0, at_most=0.99,
)  # fmt: skip


@dataclass(frozen=True)
class AnomalyScorer:
    """Rows of the label and the score.

    Attributes:
        index: The index of the output.
        is_score: Whether the output is the score itself, and no reconstruction.
    """

    index: int
    is_score: bool
    columns: Mapping[str, str] = field(default_factory=lambda: {"label": "int", "score": "float"})

    @property
    def about(self) -> Mapping[str, Any]:
        """The way to the score."""
        return {"score": "output" if self.is_score else "mean squared error"}

    def row(self, seen: Seen) -> dict[str, Any]:
        """Return the row of one example.

        Raises:
            ModelUnsupported: The output is no reconstruction of the input.
        """
        label = None if seen.label is None else zero_or_one(seen)
        output = seen.outputs[self.index].ravel().astype(float)
        if self.is_score:
            return {"label": label, "score": float(output[0])}
        same = [value for value in seen.inputs if value.size == output.size]
        if not same:
            raise ModelUnsupported(
                "The model's output is neither a score nor a reconstruction of its input",
                found=f"inputs of shape {', '.join(str(value.shape) for value in seen.inputs)} and "
                f"an output of {output.size} values",
                expected="one number, or as many values as the input has",
                remedy="Name the output with `output`, or score it by a function of your own",
            )
        error = same[0].ravel().astype(float) - output
        return {"label": label, "score": float((error**2).mean())}


def _bind(values: Mapping[str, Any], outputs: Sequence[Output]) -> AnomalyScorer:
    index = choose_output(outputs, values["output"])
    return AnomalyScorer(index, prod(outputs[index].shape) == 1)


def _too_few(rows: Rows) -> str | None:
    return too_few_positives(rows["label"])


def _metrics(values: Mapping[str, Any], columns: Sequence[str]) -> tuple[Metric, ...]:
    most = values[FALSE_POSITIVES.name]

    def auc(rows: Rows) -> Callable[[np.ndarray], float]:
        return area_under_curve(rows["label"], rows["score"])

    def partial_auc(rows: Rows) -> Callable[[np.ndarray], float]:
        return area_under_curve(rows["label"], rows["score"], most)

    return (
        estimated("auc", "AUC", "the area under the ROC curve", auc, margin=MARGIN,
              too_few=_too_few),
        estimated("partial_auc", "partial AUC", "the area under the ROC curve up to a rate of "
                  "false positives, standardized", partial_auc, too_few=_too_few),
    )  # fmt: skip


TASK = Task(
    name="anomaly",
    summary="normal or not",
    outputs="one score, or a reconstruction of the input",
    labels="0 for normal, 1 for an anomaly",
    bind=_bind,
    metrics=_metrics,
    parameters=(OUTPUT, FALSE_POSITIVES),
    order=60,
)
