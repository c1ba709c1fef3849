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
from quantline.errors import DataError
from quantline.evaluation import compare as compare_predictions
from quantline.evaluation import evaluate as evaluate_model
from quantline.evaluation import measure
from quantline.quantization.float_import import import_float
from quantline.quantization.original_source import kind_of
from quantline.recipe.check import check_arguments
from quantline.recipe.parameters import Parameters
from quantline.stats.noninferiority import noninferiority
from quantline.tflite.graph import IDENTIFIER

if TYPE_CHECKING:
    from typing import Unpack

    import pyarrow as pa

    from quantline.api.given import ModelLike, Reading
    from quantline.api.labelled import DataLike

_TIMEOUT_S = 86_400.0


class _Margin(Parameters):
    """The margin by which a candidate may be worse."""

    margin_points: Annotated[float, Field(gt=0, le=100)] | None
    confidence: Annotated[float, Field(gt=0.5, lt=1)]


def evaluate(
    model: ModelLike,
    data: DataLike,
    *,
    x: str = "x",
    y: str = "y",
    label_offset: int = 0,
    latency: bool = False,
    **reading: Unpack[Reading],
) -> EvaluationResult:
    """Score a classifier on labelled examples.

    Args:
        model: A ``.tflite`` model, float or quantized: its path, its bytes, or the result of a
            quantization. Any other model that :func:`quantline.quantize` takes is imported first.
        data: The path of a ``.npz`` file, with an optional slice such as ``test.npz[:1000]``; or a
            mapping of arrays. The examples are real values in the shape that the model takes.
        x: The array of examples, shape (n_examples, ...).
        y: The array of class indices, shape (n_examples,).
        label_offset: The number added to every label; 1 for a model whose class 0 is a background
            class that the data lacks.
        latency: True if latency is measured too.
        **reading: The way a model that is imported is read: :class:`quantline.Reading`.

    Raises:
        ModelUnsupported: It is not a classifier with one input and one output.
        DataError: The data cannot be read, has no labels, or does not fit the model.
    """
    blocks("", reading)
    examples = LabelledData.of(data, x, y, label_offset)
    name, content = _tflite_of(model, examples, reading)
    result = _scored(name, content, examples)
    if not result.metrics["labelled_examples"]:
        raise _unlabelled("The examples have no labels to score against", y)
    if not latency:
        return result
    measured = _timed({"model": content}, examples)
    return EvaluationResult(name, result.metrics, measured["model"], result.predictions)


def compare(
    reference: ModelLike,
    candidate: ModelLike,
    data: DataLike,
    *,
    x: str = "x",
    y: str = "y",
    label_offset: int = 0,
    margin_points: float | None = None,
    confidence: float = 0.95,
    latency: bool = False,
    **reading: Unpack[Reading],
) -> ComparisonResult:
    """Compare two classifiers on the same examples, such as float and int8, or old and new.

    Args:
        reference: The model that is compared with, as :func:`evaluate` takes it.
        candidate: The other one.
        data: Examples, as :func:`evaluate` takes them; without labels, only predictions are
            compared.
        x: The array of examples.
        y: The array of class indices.
        label_offset: The number added to every label.
        margin_points: The percentage points of top-1 that the candidate may be worse; then the
            result has a verdict on whether it is no worse.
        confidence: Of that verdict, one-sided.
        latency: True if latency is measured too, of both models by turns.
        **reading: The way a model that is imported is read: :class:`quantline.Reading`.

    Raises:
        ModelUnsupported: One of them is not a classifier with one input and one output.
        DataError: The data cannot be read, or does not fit a model; or has no labels for the
            verdict.
    """
    blocks("", reading)
    check_arguments(_Margin, {"margin_points": margin_points, "confidence": confidence})
    examples = LabelledData.of(data, x, y, label_offset)
    models = [_tflite_of(model, examples, reading) for model in (reference, candidate)]
    first, second = (_scored(name, content, examples) for name, content in models)
    change = compare_predictions(first.predictions, second.predictions)
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
        if "lost" not in change:
            raise _unlabelled(
                "There are no labels to judge by whether the candidate is no worse", y,
                ", or leave out `margin_points`",
            )  # fmt: skip
        labelled = first.metrics["labelled_examples"]
        verdict = noninferiority(change["lost"], change["won"], labelled, margin_points, confidence)
    return ComparisonResult(
        EvaluationResult(first.name, first.metrics, times["reference"], first.predictions),
        EvaluationResult(second.name, second.metrics, times["candidate"], second.predictions),
        change,
        verdict,
    )


def _unlabelled(what: str, y: str, instead: str = "") -> DataError:
    return DataError(
        what,
        found=f"no array '{y}'",
        expected=f"class indices in the array '{y}', one an example",
        remedy=f"Name the array of labels with `y`{instead}",
    )


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


def _scored(name: str, content: bytes, examples: LabelledData) -> EvaluationResult:
    predictions, metrics = run_in_child(
        _evaluate_here, content, examples,
        what=f"the evaluation of '{name}'", timeout_s=_TIMEOUT_S,
    )  # fmt: skip
    return EvaluationResult(name, metrics, None, predictions)


def _evaluate_here(content: bytes, examples: LabelledData) -> tuple[pa.Table, dict[str, Any]]:
    """Predict and score; this happens in a child process, which a model may crash."""
    stage("running the model")
    return evaluate_model(content, examples)


def _timed(models: dict[str, bytes], examples: LabelledData) -> dict[str, Any]:
    """Return the latencies of models that ran before."""
    return measure(models, examples.first(1)[0], recipe.Latency())
