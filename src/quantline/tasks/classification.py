"""One class an example, by the scores of all classes."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any

from quantline.errors import DataError, first_few
from quantline.metrics import METRICS
from quantline.tasks._checks import choose_output, refuse_label, refuse_output
from quantline.tasks._parameters import OUTPUT
from quantline.tasks._task import Task

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from quantline.metrics import Metric
    from quantline.tasks._task import Output, Seen

# Probabilities below this count as this, for every model alike, so that losses can be compared: it
# is half a step of the int8 softmax, whose output scale the specification fixes to 1/256, and the
# most that an int8 probability of 0 can stand for.
FLOOR = 2.0**-9


@dataclass(frozen=True)
class ClassificationScorer:
    """Rows of the label, the prediction, the label's rank, the confidence and the loss.

    Attributes:
        index: The index of the output.
        meaning: The meaning of its values.
        classes: The number of classes; a single output unit is read as two classes.
    """

    index: int
    meaning: str
    classes: int
    columns: Mapping[str, str] = field(
        default_factory=lambda: {
            "label": "int",
            "prediction": "int",
            "label_rank": "int",
            "confidence": "float",
            "loss": "float",
        }
    )

    @property
    def about(self) -> Mapping[str, Any]:
        """The number of classes."""
        return {"classes": self.classes}

    def row(self, seen: Seen) -> dict[str, Any]:
        """Return the row of one example."""
        import numpy as np

        label = seen.label
        if label is not None:
            value = np.asarray(label)
            if value.size != 1 or value.dtype.kind not in "iu":
                raise refuse_label(seen, "a class index; for one-hot labels, their argmax")
            label = int(value.ravel()[0])
        scores = log_probabilities(seen.outputs[self.index], self.meaning)
        return ranked(seen.id, label, scores)


def log_probabilities(output: np.ndarray, meaning: str) -> np.ndarray:
    """Return the log-probability of each class; shape (classes,), float64.

    Where the model gives NaN, it gives no class a chance: the value is -inf.

    Args:
        output: The real-valued output, from wherever the model ran.
        meaning: The meaning of its values, as in :class:`quantline.tasks.Output`.
    """
    import numpy as np

    output = output.ravel().astype(np.float64)
    # The logarithm of 0 is -inf, and ranks last.
    with np.errstate(divide="ignore", invalid="ignore"):
        if meaning == "probabilities":
            scores = np.log(output if output.size > 1 else np.concatenate([1 - output, output]))
        else:
            if output.size == 1:
                output = np.concatenate([np.zeros(1), output])
            scores = output - np.logaddexp.reduce(output)
    return np.where(np.isnan(scores), -np.inf, scores)


def ranked(example: str, label: int | None, scores: np.ndarray) -> dict[str, Any]:
    """Return a row without its id.

    Args:
        example: The example's id, for messages.
        label: Its class; None without one.
        scores: The log-probability of each class, shape (classes,).

    Raises:
        DataError: The label is not a class.
    """
    import numpy as np

    top = int(scores.argmax())
    rank, loss = None, None
    if label is not None:
        if not 0 <= label < len(scores):
            raise not_classes([f"{example} ({label})"], len(scores))
        rank = int((scores > scores[label]).sum() + (scores[:label] == scores[label]).sum())
        loss = float(-max(scores[label], np.log(FLOOR)))
    return {
        "label": label,
        "prediction": top,
        "label_rank": rank,
        "confidence": float(np.exp(scores[top])),
        "loss": loss,
    }


def not_classes(examples: Sequence[str], classes: int) -> DataError:
    """Return the error for labels that name no class of the model."""
    return DataError(
        "Some labels are not classes of the model",
        found=f"{len(examples)} examples: {first_few(examples, 5)}",
        expected=f"labels from 0 to {classes - 1}, as the model has {classes} outputs",
        remedy="Check that the model was trained on this dataset; where class 0 of the model is a "
        "background class, use `label_offset=1`",
    )


def _bind(values: Mapping[str, Any], outputs: Sequence[Output]) -> ClassificationScorer:
    index = choose_output(outputs, values["output"])
    output = outputs[index]
    if len(output.shape) < 2 or prod(output.shape) != output.shape[-1]:
        raise refuse_output("classification", output, "(1, classes)")
    return ClassificationScorer(index, output.meaning, max(2, output.shape[-1]))


def _metrics(values: Mapping[str, Any], columns: Sequence[str]) -> tuple[Metric, ...]:
    return tuple(METRICS.values())


TASK = Task(
    name="classification",
    summary="one class an example",
    outputs="scores (1, classes): logits, probabilities or their logarithms",
    labels="a class index",
    bind=_bind,
    metrics=_metrics,
    parameters=(OUTPUT,),
    order=10,
)
