"""Predictions of a model, example by example, as its task reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa

from quantline.errors import DataError, first_few
from quantline.tasks import DEFAULT, ChosenTask, Output, Seen
from quantline.tasks.classification import not_classes
from quantline.tflite import Graph, Runtime, read

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from quantline.tasks import Scorer

# What may stand between the last computation and the output without changing its meaning.
_WRAPPERS = {"QUANTIZE", "DEQUANTIZE", "RESHAPE", "SQUEEZE"}
_MEANINGS = {"SOFTMAX": "probabilities", "LOGISTIC": "probabilities", "LOG_SOFTMAX": "log"}

TYPES = {
    "int": pa.int64(),
    "float": pa.float64(),
    "ints": pa.list_(pa.int64()),
    "floats": pa.list_(pa.float64()),
}
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("label", pa.int64()),
        ("prediction", pa.int64()),
        ("label_rank", pa.int64()),
        ("confidence", pa.float64()),
        ("loss", pa.float64()),
    ]
)
"""The columns of a classifier's predictions."""

TASK = "task"
"""The key of a table's metadata under which another task than that stands."""

CLASSIFICATION = ChosenTask(DEFAULT.name, {item.name: item.default for item in DEFAULT.parameters})


class Labelled(Protocol):
    """An example to predict: its id, its label or None, and the model input."""

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def label(self) -> Any: ...  # noqa: D102
    @property
    def x(self) -> Any: ...  # noqa: D102


class Model:
    """A loaded ``.tflite`` model, its inputs and outputs by name.

    Attributes:
        outputs: Its outputs, with the meaning of their values.
    """

    def __init__(self, content: bytes, threads: int | None = None) -> None:
        """Load a float or a quantized model."""
        self._runtime = Runtime(content, threads)
        graph = read(content)
        self._inputs = _names(graph, graph.main.inputs, "inputs")
        names = _names(graph, graph.main.outputs, "outputs")
        self.outputs = tuple(
            Output(name, port.shape, _meaning(graph, index))
            for index, (name, port) in enumerate(zip(names, self._runtime.outputs, strict=True))
        )

    def run(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """Return the real-valued outputs, in the model's order, for inputs in its order."""
        return self._runtime.run(inputs)

    def inputs(self, sample: Labelled) -> list[np.ndarray]:
        """Return the inputs of an example in the model's order, real values, with a batch of 1.

        Raises:
            DataError: It has other inputs than the model, or of other shapes.
        """
        given = sample.x
        if not isinstance(given, Mapping):
            given = {self._inputs[0]: given} if len(self._inputs) == 1 else {"x": given}
        if given.keys() != set(self._inputs):
            raise DataError(
                f"The example '{sample.id}' does not have the inputs of the model",
                found=f"arrays for {first_few([repr(name) for name in given])}",
                expected=f"one for each input: {first_few([repr(name) for name in self._inputs])}",
                remedy="Name the arrays of the dataset as the inputs of the model",
            )
        values = []
        for name, port in zip(self._inputs, self._runtime.inputs, strict=True):
            value = np.asarray(given[name])
            if value.shape not in (port.shape, port.shape[1:]):
                which = f" for '{name}'" if len(self._inputs) > 1 else ""
                raise DataError(
                    f"The example '{sample.id}' does not have the shape that the model takes",
                    found=f"{value.shape}{which} after the transform",
                    expected=f"{port.shape[1:]}",
                    remedy="Bring all examples to this shape with `transform`, for "
                    "instance with a 'resize' step",
                )
            values.append(value.reshape(port.shape))
        return values


def predict(model: bytes, samples: Iterable[Labelled], threads: int | None = None) -> pa.Table:
    """Predict every sample with a classifier.

    Args:
        model: A ``.tflite`` file's bytes.
        samples: The evaluation examples; streamed, one in memory at a time.
        threads: CPU threads; all cores by default.

    Returns:
        A table of one row an example: id, label, prediction, label_rank (0 where the label's class
        is the first; ties count for the lower class), confidence (of the prediction), loss
        (cross-entropy, natural logarithm, of probabilities not below ``FLOOR``). Without a label,
        label_rank and loss are null.

    Raises:
        QuantlineError: As :func:`run_task` lists them.
    """
    return run_task(model, samples, CLASSIFICATION, threads=threads)[0]


def run_task(
    model: bytes,
    samples: Iterable[Labelled],
    task: ChosenTask,
    reference: bytes | None = None,
    threads: int | None = None,
    outputs: Iterable[Sequence[np.ndarray]] | None = None,
) -> tuple[pa.Table, Scorer]:
    """Run a model on every sample and read its outputs as a task does.

    Args:
        model: A ``.tflite`` file's bytes.
        samples: The evaluation examples; streamed, one in memory at a time.
        task: The meaning of the outputs.
        reference: The float model, for a task that compares with its outputs; by default the model
            is compared with itself.
        threads: CPU threads; all cores by default.
        outputs: The model's real-valued outputs for each sample, from wherever it ran; by default
            it runs on the CPU.

    Returns:
        A table of one row an example, ``id`` and the columns of the task; and the task bound to
        the model.

    Raises:
        DataError: A sample has other inputs than the model takes.
        DataError: A label is none that the task can use.
        ModelUnsupported: The task cannot use the model's outputs.
    """
    loaded = Model(model, threads)
    other = None
    if task.task.needs_reference:
        other = loaded if reference is None or reference == model else Model(reference, threads)
    scorer = task.bind(loaded.outputs)

    known = None if outputs is None else iter(outputs)

    def rows() -> Iterator[tuple[str, Mapping[str, Any]]]:
        for sample in samples:
            inputs = loaded.inputs(sample)
            found = loaded.run(inputs) if known is None else next(known)
            wanted = None
            if other is not None:
                wanted = found if other is loaded else other.run(inputs)
            yield sample.id, scorer.row(Seen(sample.id, sample.label, inputs, found, wanted))

    return make_table(rows(), scorer, task), scorer


def make_table(
    rows: Iterable[tuple[str, Mapping[str, Any]]], scorer: Scorer, task: ChosenTask
) -> pa.Table:
    """Return rows as a table.

    Args:
        rows: Of each example its id and what the scorer gave.
        scorer: The task bound to the model.
        task: The task.
    """
    ids: list[str] = []
    columns: dict[str, list[Any]] = {}
    for example, row in rows:
        ids.append(example)
        for name, value in row.items():
            columns.setdefault(name, []).append(value)
    types = scorer.columns  # after the rows: those of a user's function are known by then
    fields = [("id", pa.string()), *((name, TYPES[kind]) for name, kind in types.items())]
    schema = pa.schema(fields, None if task.name == CLASSIFICATION.name else {TASK: task.name})
    return pa.table({"id": ids, **{name: columns.get(name, []) for name in types}}, schema=schema)


def check_labels(
    model: bytes,
    examples: Iterable[Mapping[str, object]],
    task: ChosenTask = CLASSIFICATION,
) -> None:
    """Check that a task can use a model's outputs, and that class indices are classes of it.

    Args:
        model: A ``.tflite`` file's bytes.
        examples: Rows with ``id`` and ``label``.
        task: The meaning of the outputs; labels of other tasks than classification are checked
            when they are used.

    Raises:
        ModelUnsupported: The task cannot use the model's outputs.
        DataError: With the examples whose labels name no class.
    """
    about = task.bind(Model(model, threads=1).outputs).about
    if task.name != CLASSIFICATION.name:
        return
    classes: int = about["classes"]
    wrong = [
        f"{example['id']} ({example['label']})"
        for example in examples
        if isinstance(example["label"], int) and not 0 <= example["label"] < classes
    ]
    if wrong:
        raise not_classes(wrong, classes)


def _names(graph: Graph, indices: Sequence[int], side: str) -> list[str]:
    """Return the names of inputs or outputs: those of the signature, else of the tensors."""
    named = {
        index: name
        for signature in graph.signatures
        for name, index in getattr(signature, side).items()
    }
    return [named.get(index, graph.main.tensors[index].name) for index in indices]


def _meaning(graph: Graph, output: int) -> str:
    main = graph.main
    makers = {index: operator for operator in main.operators for index in operator.outputs}
    operator = makers.get(main.outputs[output])
    while operator is not None and operator.type in _WRAPPERS:
        operator = makers.get(operator.inputs[0])
    return _MEANINGS.get(operator.type, "logits") if operator is not None else "logits"
