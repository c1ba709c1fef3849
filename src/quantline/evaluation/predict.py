"""Predictions of a classifier, example by example."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
import pyarrow as pa

from quantline.errors import DataError, ModelUnsupported, first_few
from quantline.tflite import Graph, Runtime, read

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

# What may stand between the last computation and the output without changing its meaning.
_WRAPPERS = {"QUANTIZE", "DEQUANTIZE", "RESHAPE", "SQUEEZE"}
_MEANINGS = {"SOFTMAX": "probabilities", "LOGISTIC": "probabilities", "LOG_SOFTMAX": "log"}

# Probabilities below this count as this, for every model alike, so that losses can be compared: it
# is half a step of the int8 softmax, whose output scale the specification fixes to 1/256, and the
# most that an int8 probability of 0 can stand for.
FLOOR = 2.0**-9

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


class Labelled(Protocol):
    """An example to predict: its id, its label or None, and the model input."""

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def label(self) -> int | None: ...  # noqa: D102
    @property
    def x(self) -> np.ndarray: ...  # noqa: D102


class Classifier:
    """A ``.tflite`` model whose output is read as class probabilities.

    Attributes:
        classes: The number of classes; a single output unit is read as two classes.
        input_shape: The shape of its input, without the batch dimension.
        meaning: ``probabilities`` (after SOFTMAX or LOGISTIC), ``log`` (after LOG_SOFTMAX), or
            ``logits``, as the operator before the output tells.
    """

    def __init__(self, model: bytes, threads: int | None = None) -> None:
        """Load a float or a quantized model.

        Raises:
            ModelUnsupported: It has several inputs or outputs, or its output is not of shape
                (1, classes).
        """
        self._runtime = Runtime(model, threads)
        inputs, outputs = len(self._runtime.inputs), len(self._runtime.outputs)
        if inputs != 1 or outputs != 1:
            raise ModelUnsupported(
                "The model does not have exactly one input and one output",
                found=f"{inputs} inputs and {outputs} outputs",
                expected="one of each, as a classifier has",
                remedy="Export a signature with one input and one output, or use the library: the "
                "pipeline scores classifiers only",
            )
        port = self._runtime.outputs[0]
        if len(port.shape) < 2 or int(np.prod(port.shape)) != port.shape[-1]:
            raise ModelUnsupported(
                "The model is not a classifier that can be scored",
                found=f"an output of shape {port.shape}",
                expected="an output of shape (1, classes)",
                remedy="Export the model with its class scores as the output",
            )
        self.input_shape = self._runtime.inputs[0].shape[1:]
        self.classes = max(2, port.shape[-1])
        self.meaning = _meaning(read(model))

    def log_probabilities(self, x: np.ndarray) -> np.ndarray:
        """Return the log-probability of each class for one input; shape (classes,), float64.

        Where the model gives NaN, it gives no class a chance: the value is -inf.
        """
        return self.interpret(self._runtime.predict(x))

    def interpret(self, output: np.ndarray) -> np.ndarray:
        """Return what one output says of each class, as :meth:`log_probabilities` does.

        Args:
            output: The real-valued output, from wherever the model ran.
        """
        output = output.ravel().astype(np.float64)
        # The logarithm of 0 is -inf, and ranks last.
        with np.errstate(divide="ignore", invalid="ignore"):
            scores = self._logarithms(output)
        return np.where(np.isnan(scores), -np.inf, scores)

    def _logarithms(self, output: np.ndarray) -> np.ndarray:
        if self.meaning == "probabilities":
            both = output if output.size > 1 else np.concatenate([1 - output, output])
            return np.asarray(np.log(both))
        if output.size == 1:
            output = np.concatenate([np.zeros(1), output])
        return np.asarray(output - np.logaddexp.reduce(output))


def predict(model: bytes, samples: Iterable[Labelled], threads: int | None = None) -> pa.Table:
    """Predict every sample.

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
        DataError: A sample has another shape than the model takes.
        DataError: A label does not name a class of the model.
    """
    classifier = Classifier(model, threads)

    def predicted() -> Iterator[tuple[str, int | None, np.ndarray]]:
        for sample in samples:
            if sample.x.shape != classifier.input_shape:
                raise DataError(
                    f"The example '{sample.id}' does not have the shape that the model takes",
                    found=f"{sample.x.shape} after the transform",
                    expected=f"{classifier.input_shape}",
                    remedy="Bring all examples to this shape with `transform`, for "
                    "instance with a 'resize' step",
                )
            yield sample.id, sample.label, classifier.log_probabilities(sample.x)

    return tabulate(predicted())


def tabulate(predicted: Iterable[tuple[str, int | None, np.ndarray]]) -> pa.Table:
    """Return predictions as a table, as :func:`predict` does.

    Args:
        predicted: Of each example its id, its label or None, and the log-probability of each
            class, shape (classes,).

    Raises:
        DataError: A label is not a class.
    """
    columns: dict[str, list[object]] = {name: [] for name in SCHEMA.names}
    for example, label, scores in predicted:
        top = int(scores.argmax())
        rank, loss = None, None
        if label is not None:
            if not 0 <= label < len(scores):
                raise _strange_labels([f"{example} ({label})"], len(scores))
            rank = int((scores > scores[label]).sum() + (scores[:label] == scores[label]).sum())
            loss = float(-max(scores[label], np.log(FLOOR)))
        row = (example, label, top, rank, float(np.exp(scores[top])), loss)
        for name, value in zip(SCHEMA.names, row, strict=True):
            columns[name].append(value)
    return pa.table(columns, schema=SCHEMA)


def check_labels(model: bytes, examples: Iterable[Mapping[str, object]]) -> None:
    """Check that every label of a manifest names a class of the model.

    Args:
        model: A ``.tflite`` file's bytes.
        examples: Rows with ``id`` and ``label``.

    Raises:
        DataError: With the examples whose labels do not.
    """
    classes = Classifier(model, threads=1).classes
    wrong = [
        f"{example['id']} ({example['label']})"
        for example in examples
        if isinstance(example["label"], int) and not 0 <= example["label"] < classes
    ]
    if wrong:
        raise _strange_labels(wrong, classes)


def _strange_labels(examples: Sequence[str], classes: int) -> DataError:
    return DataError(
        "Some labels are not classes of the model",
        found=f"{len(examples)} examples: {first_few(examples, 5)}",
        expected=f"labels from 0 to {classes - 1}, as the model has {classes} outputs",
        remedy="Check that the model was trained on this dataset; where class 0 of the model is a "
        "background class, use `label_offset=1`",
    )


def _meaning(graph: Graph) -> str:
    main = graph.main
    makers = {index: operator for operator in main.operators for index in operator.outputs}
    operator = makers.get(main.outputs[0])
    while operator is not None and operator.type in _WRAPPERS:
        operator = makers.get(operator.inputs[0])
    return _MEANINGS.get(operator.type, "logits") if operator is not None else "logits"
