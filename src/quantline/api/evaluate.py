"""Models on labelled examples: one by itself, or two on the same ones."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from quantline import recipe
from quantline.api.evaluation_result import ComparisonResult, EvaluationResult
from quantline.api.files import read_tflite
from quantline.api.given import blocks, opened
from quantline.api.labelled import LabelledData
from quantline.child import run_in_child, stage
from quantline.errors import DataError, ParameterError, suggest
from quantline.evaluation import compare as compare_predictions
from quantline.evaluation import evaluate as evaluate_model
from quantline.evaluation import measure
from quantline.evaluation.pairs import pair
from quantline.metrics import Comparison
from quantline.metrics._change import judge_margin
from quantline.metrics._statistic import metric_change
from quantline.quantization.float_import import import_float
from quantline.quantization.original_source import kind_of
from quantline.recipe.check import check_arguments
from quantline.recipe.parameters import Parameters
from quantline.stats.noninferiority import noninferiority
from quantline.tasks import DEFAULT
from quantline.tflite.graph import IDENTIFIER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeAlias, Unpack

    import pyarrow as pa

    from quantline.api.given import ModelLike, Reading
    from quantline.api.labelled import DataLike
    from quantline.metrics import Judgement
    from quantline.tasks import ChosenTask

    TaskLike: TypeAlias = str | Mapping[str, Any]

_TIMEOUT_S = 86_400.0
_RESAMPLES = 2000


class _Margin(Parameters):
    """The margin by which a candidate may be worse."""

    margin_points: Annotated[float, Field(gt=0, le=100)] | None
    confidence: Annotated[float, Field(gt=0.5, lt=1)]


def evaluate(
    model: ModelLike,
    data: DataLike,
    *,
    task: TaskLike = "classification",
    x: str | Sequence[str] = "x",
    y: str = "y",
    label_offset: int = 0,
    latency: bool = False,
    **reading: Unpack[Reading],
) -> EvaluationResult:
    """Score a model on labelled examples.

    Args:
        model: A ``.tflite`` model, float or quantized: its path, its bytes, or the result of a
            quantization. Any other model that :func:`quantline.quantize` takes is imported first.
        data: The path of a ``.npz`` file, with an optional slice such as ``test.npz[:1000]``; or a
            mapping of arrays. The examples are real values in the shape that the model takes.
        task: The meaning of the outputs: a name of :data:`quantline.tasks.TASKS`, a function
            ``module:name`` that scores an example, or a mapping of ``kind`` and the parameters of
            the task, such as ``{"kind": "binary", "threshold": 0.4}``.
        x: The array of examples, shape (n_examples, ...); for a model of several inputs the list of
            their names.
        y: The array of labels, one an example.
        label_offset: The number added to every label; 1 for a model whose class 0 is a background
            class that the data lacks.
        latency: True if latency is measured too.
        **reading: The way a model that is imported is read: :class:`quantline.Reading`.

    Raises:
        ModelUnsupported: The task cannot use its outputs.
        ParameterError: There is no such task, or it compares two models.
        DataError: The data cannot be read, has no labels, or does not fit the model.
    """
    blocks("", reading)
    chosen = _task_of(task)
    if chosen.task.needs_reference:
        raise ParameterError(
            f"The task '{chosen.name}' compares two models, and one was given",
            found="one model",
            expected="the float model and the quantized one",
            remedy="Use `quantline.compare`, or the command 'quantline compare'",
        )
    examples = LabelledData.of(data, x, y, label_offset)
    name, content = _tflite_of(model, examples, reading)
    result = _scored(name, content, examples, chosen)
    if chosen.task.needs_labels and not result.metrics["labelled_examples"]:
        raise DataError(
            "The examples have no labels to score against",
            found=f"no array '{y}'",
            expected=f"{chosen.task.labels} in the array '{y}'",
            remedy="Name the array of labels with `y`",
        )
    if not latency:
        return result
    measured = _timed({"model": content}, examples)
    return EvaluationResult(name, result.metrics, measured["model"], result.predictions)


def compare(
    reference: ModelLike,
    candidate: ModelLike,
    data: DataLike,
    *,
    task: TaskLike = "classification",
    x: str | Sequence[str] = "x",
    y: str = "y",
    label_offset: int = 0,
    margin_points: float | None = None,
    margins: Mapping[str, float] | None = None,
    confidence: float = 0.95,
    latency: bool = False,
    **reading: Unpack[Reading],
) -> ComparisonResult:
    """Compare two models on the same examples, such as float and int8, or old and new.

    Args:
        reference: The model that is compared with, as :func:`evaluate` takes it.
        candidate: The other one.
        data: Examples, as :func:`evaluate` takes them; without labels, only predictions are
            compared.
        task: The meaning of the outputs, as :func:`evaluate` takes it.
        x: The array of examples, or a list of them.
        y: The array of labels.
        label_offset: The number added to every label.
        margin_points: The percentage points of top-1 that the candidate may be worse; then the
            result has a verdict on whether it is no worse.
        margins: The most by which metrics of another task may be worse, by their names and in their
            own units; then the result has a judgement of each.
        confidence: Of that verdict, one-sided.
        latency: True if latency is measured too, of both models by turns.
        **reading: The way a model that is imported is read: :class:`quantline.Reading`.

    Raises:
        ModelUnsupported: The task cannot use the outputs of one of them.
        ParameterError: There is no such task or metric.
        DataError: The data cannot be read, or does not fit a model; or has no labels for the
            verdict.
    """
    blocks("", reading)
    check_arguments(_Margin, {"margin_points": margin_points, "confidence": confidence})
    chosen = _task_of(task)
    examples = LabelledData.of(data, x, y, label_offset)
    models = [_tflite_of(model, examples, reading) for model in (reference, candidate)]
    first, second = (
        _scored(name, content, examples, chosen, models[0][1]) for name, content in models
    )
    judgements = _judged(first, second, chosen, margins or {}, confidence)
    change = compare_predictions(first.predictions, second.predictions, chosen)
    change["size_ratio"] = len(models[0][1]) / len(models[1][1])
    times: dict[str, Any] = {"reference": None, "candidate": None}
    if latency:
        contents = {"reference": models[0][1], "candidate": models[1][1]}
        times = _timed(contents, examples)
        change |= {
            key: value for key, value in times["candidate"].items() if key.startswith("speed_")
        }
    verdict = None
    if margin_points is not None:
        if chosen.name != DEFAULT.name:
            raise ParameterError(
                f"`margin_points` is of top-1, which the task '{chosen.name}' does not have",
                found=f"{margin_points}",
                expected="`margins` with the names of the task's metrics",
                remedy="Pass `margins`, such as "
                f"`margins={{'{next(iter(chosen.metrics([])), 'metric')}': 0.01}}`",
            )
        if "lost" not in change:
            raise DataError(
                "There are no labels to judge by whether the candidate is no worse",
                found=f"no array '{y}'",
                expected=f"class indices in the array '{y}', one an example",
                remedy="Name the array of labels with `y`, or leave out `margin_points`",
            )
        labelled = first.metrics["labelled_examples"]
        verdict = noninferiority(change["lost"], change["won"], labelled, margin_points, confidence)
    return ComparisonResult(
        EvaluationResult(first.name, first.metrics, times["reference"], first.predictions),
        EvaluationResult(second.name, second.metrics, times["candidate"], second.predictions),
        change,
        verdict,
        judgements,
    )


def _task_of(task: TaskLike) -> ChosenTask:
    """Return a task as a caller names it, with its parameters."""
    values = {"kind": task} if isinstance(task, str) else dict(task)
    return check_arguments(recipe.Task, values).chosen()


def _judged(
    first: EvaluationResult,
    second: EvaluationResult,
    task: ChosenTask,
    margins: Mapping[str, float],
    confidence: float,
) -> dict[str, Judgement]:
    """Judge the metrics that have a margin by the paired bootstrap."""
    if not margins:
        return {}
    pairs = pair(first.predictions, second.predictions)
    metrics = task.metrics(list(pairs.reference.columns))
    known = [name for name, metric in metrics.items() if metric.statistic is not None]
    for name, margin in margins.items():
        if name not in known or not margin > 0:
            raise ParameterError(
                f"`margins` has no margin above 0 of a metric of the task '{task.name}'",
                found=f"'{name}': {margin}",
                expected=f"numbers above 0 for {', '.join(known) or 'none: it has margin_points'}",
                remedy=suggest(name, known) or "Correct `margins`",
            )
    if not len(pairs):
        raise DataError(
            "There are no labels to judge the change of a metric by",
            found="no labelled example",
            expected=task.task.labels,
            remedy="Name the array of labels with `y`, or leave out `margins`",
        )
    compared = Comparison(first.name, pairs, confidence, seed=0, resamples=_RESAMPLES)
    return {
        name: judge_margin(
            metrics[name], compared, metric_change(metrics[name], compared, confidence), margin
        )
        for name, margin in margins.items()
    }


def _tflite_of(model: ModelLike, examples: LabelledData, reading: Reading) -> tuple[str, bytes]:
    """Return what to call a model, and its ``.tflite`` file's bytes; others are imported."""
    if isinstance(model, str | os.PathLike):
        name = os.fspath(model)
        if kind_of(Path(name)) == "tflite":
            return name, read_tflite(model)[1]
    elif hasattr(model, "content") or (
        isinstance(model, bytes | bytearray) and model[4:8] == IDENTIFIER
    ):
        return "model in memory", read_tflite(model)[1]
    else:
        name = "model in memory"
    with opened(model, reading) as (source, limits):
        parity = recipe.Parity()
        return name, import_float(source, examples.first(parity.examples), parity, limits).content


def _scored(
    name: str,
    content: bytes,
    examples: LabelledData,
    task: ChosenTask,
    reference: bytes | None = None,
) -> EvaluationResult:
    predictions, metrics = run_in_child(
        _evaluate_here, content, examples, task, reference,
        what=f"the evaluation of '{name}'", timeout_s=_TIMEOUT_S,
    )  # fmt: skip
    return EvaluationResult(name, metrics, None, predictions)


def _evaluate_here(
    content: bytes, examples: LabelledData, task: ChosenTask, reference: bytes | None
) -> tuple[pa.Table, dict[str, Any]]:
    """Predict and score; this happens in a child process, which a model may crash."""
    stage("running the model")
    return evaluate_model(content, examples, task, reference)


def _timed(models: dict[str, bytes], examples: LabelledData) -> dict[str, Any]:
    """Return the latencies of models that ran before."""
    return measure(models, examples.first(1)[0], recipe.Latency())
