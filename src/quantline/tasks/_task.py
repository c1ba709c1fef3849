"""The declaration of a task: the meaning of a model's outputs and of labels, and its metrics."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np

    from quantline.metrics import Metric, Rows
    from quantline.registry import Parameter


@dataclass(frozen=True)
class Output:
    """One output of a model.

    Attributes:
        name: Its name in the model's signature.
        shape: Its shape, batch first.
        meaning: ``probabilities`` where it comes from SOFTMAX or LOGISTIC, ``log`` from
            LOG_SOFTMAX, ``logits`` from any other operator.
    """

    name: str
    shape: tuple[int, ...]
    meaning: str


@dataclass(frozen=True, eq=False)
class Seen:
    """One example and what a model gave for it.

    Attributes:
        id: The example's id.
        label: Its label: a class index, an array, or None without one.
        inputs: The model's inputs in its order, real values.
        outputs: The model's outputs in its order, real values, with the batch of 1.
        reference: The float model's outputs; None for a task that does not need them.
    """

    id: str
    label: Any
    inputs: Sequence[np.ndarray]
    outputs: Sequence[np.ndarray]
    reference: Sequence[np.ndarray] | None = None


class Scorer(Protocol):
    """A task that is bound to the outputs of one model."""

    @property
    def columns(self) -> Mapping[str, str]:
        """The columns of a row: ``int``, ``float``, ``ints`` or ``floats`` by name.

        Those of the label come first and are called ``label``, or begin with ``label_``.
        """
        ...

    @property
    def about(self) -> Mapping[str, Any]:
        """Facts about the model that the report states, such as its number of classes."""
        ...

    def row(self, seen: Seen) -> Mapping[str, Any]:
        """Return the row of one example; the label is there, or None if it is not needed.

        Raises:
            DataError: The label is none that the task can use.
        """
        ...


@dataclass(frozen=True, eq=False)
class Task:
    """A task.

    Attributes:
        name: The value of ``kind``.
        summary: The documentation: a phrase.
        outputs: The outputs that it takes: a phrase.
        labels: The labels that it takes: a phrase.
        bind: Takes the values of the parameters and the model's outputs, and refuses outputs that
            the task cannot use with a ModelUnsupported.
        metrics: Takes the values of the parameters and the columns of the table, and gives the
            metrics; the first one is the one that reports show.
        parameters: The task's parameters.
        needs_labels: Whether examples without a label are left out of the metrics.
        needs_reference: Whether a row needs the float model's outputs too.
        details: Takes the rows and gives figures that are no metrics, such as those of each class.
        order: Its place in every list, lowest first.
    """

    name: str
    summary: str
    outputs: str
    labels: str
    bind: Callable[[Mapping[str, Any], Sequence[Output]], Scorer]
    metrics: Callable[[Mapping[str, Any], Sequence[str]], tuple[Metric, ...]]
    parameters: tuple[Parameter, ...] = ()
    needs_labels: bool = True
    needs_reference: bool = False
    details: Callable[[Rows], dict[str, Any]] = field(default=lambda _: {})
    order: int = 100


@dataclass(frozen=True)
class ChosenTask:
    """A task with the values of its parameters.

    Attributes:
        name: The task's name in the registry.
        values: The value of each of its parameters.
    """

    name: str
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def task(self) -> Task:
        """The task; not a field, so that a chosen task can be handed to another process."""
        from quantline.tasks import TASKS

        return TASKS[self.name]

    def bind(self, outputs: Sequence[Output]) -> Scorer:
        """Bind the task to a model's outputs."""
        return self.task.bind(self.values, outputs)

    def metrics(self, columns: Sequence[str]) -> dict[str, Metric]:
        """Return the task's metrics by name."""
        return {metric.name: metric for metric in self.task.metrics(self.values, columns)}
