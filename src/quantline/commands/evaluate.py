"""``quantline evaluate`` and ``compare``: models on labelled examples, without a project."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import click

from quantline.commands.command import Command, Result
from quantline.commands.options import reading_options
from quantline.recipe.task import KINDS
from quantline.tables import pairs, table

if TYPE_CHECKING:
    from collections.abc import Callable

    from quantline.api.given import Reading

_DATA = (
    "Labelled examples: the array 'x' of inputs as the model takes them, samples along the first "
    "axis, and the array 'y' of labels. A slice such as 'test.npz[:1000]' takes some of the rows."
)


def _data_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add how the examples are read, and give the command all of it as ``options``."""

    @click.option("--data", metavar="DATA.npz", required=True, help=_DATA)
    @click.option(
        "--task", "kind", default="classification", show_default=True, metavar="KIND",
        help=f"The meaning of the outputs: {', '.join(KINDS)}, or a function 'module:name' that "
        "scores an example.",
    )  # fmt: skip
    @click.option("--task-option", "task_options", multiple=True, metavar="NAME=VALUE",
                  help="A parameter of the task, such as threshold=0.4.")  # fmt: skip
    @click.option("--x", default="x", show_default=True, metavar="NAME",
                  help="The array of examples; several inputs as NAME,NAME.")  # fmt: skip
    @click.option("--y", default="y", show_default=True, metavar="NAME",
                  help="The array of labels.")  # fmt: skip
    @click.option(
        "--label-offset", type=int, default=0, show_default=True, metavar="N",
        help="Added to every label; 1 where the model's class 0 is a background class that the "
        "data lacks.",
    )  # fmt: skip
    @click.option("--latency", is_flag=True, help="Measure the latency on this CPU too.")
    @reading_options
    @functools.wraps(function)
    def with_data(
        *,
        kind: str,
        task_options: tuple[str, ...],
        x: str,
        y: str,
        label_offset: int,
        latency: bool,
        reading: Reading,
        **others: Any,
    ) -> Any:
        task = {"kind": kind, **_pairs("--task-option", task_options)}
        several = x.split(",") if "," in x else x
        options = {"task": task, "x": several, "y": y, "label_offset": label_offset}
        return function(options={**options, "latency": latency, **reading}, **others)

    return with_data


@click.command("evaluate", cls=Command)
@click.argument("model")
@_data_options
def evaluate(model: str, data: str, options: dict[str, Any]) -> Result:
    """Score a model on labelled examples: each metric with its 95 % interval.

    MODEL is a .tflite file, float or quantized; any other model that 'quantline quantize' takes is
    imported first.

    \b
        quantline evaluate model_int8.tflite --data test.npz
        quantline evaluate model.keras --data 'test.npz[:1000]' --latency
        quantline evaluate age.tflite --data test.npz --task regression
    """  # noqa: D301 - click's mark for lines that stay as they are
    from quantline.api.evaluate import evaluate as score

    found = score(model, data, **options)
    examples = ("examples", f"{found.metrics['labelled_examples']} of '{data}'")
    text = pairs([("model", model), examples, *found.rows()])
    return Result(text, found.to_dict())


@click.command("compare", cls=Command)
@click.argument("reference", metavar="MODEL_A")
@click.argument("candidate", metavar="MODEL_B")
@_data_options
@click.option(
    "--margin-points", type=click.FloatRange(0, 100, min_open=True), metavar="POINTS",
    help="Judge whether MODEL_B is no worse than MODEL_A by this many percentage points of top-1.",
)  # fmt: skip
@click.option(
    "--margin", "margins", multiple=True, metavar="METRIC=VALUE",
    help="Likewise by a metric of another task, in its own unit, such as mae=0.05.",
)  # fmt: skip
@click.option(
    "--confidence", type=click.FloatRange(0.5, 1, min_open=True, max_open=True), default=0.95,
    show_default=True, help="Of that verdict, one-sided.",
)  # fmt: skip
def compare(
    reference: str,
    candidate: str,
    data: str,
    options: dict[str, Any],
    margin_points: float | None,
    margins: tuple[str, ...],
    confidence: float,
) -> Result:
    """Compare two models on the same examples, such as float and int8, or old and new.

    The change of a metric is a paired one: what both models have right, or both wrong, cancels. Its
    interval is of 95 %.

    \b
        quantline compare model.keras model_int8.tflite --data test.npz
        quantline compare old_int8.tflite new_int8.tflite --data test.npz --margin-points 1

    Exit status: 0; with a margin, 1 unless MODEL_B is shown to be no worse; 2 for bad input.
    """  # noqa: D301 - click's mark for lines that stay as they are
    from quantline.api.evaluate import compare as compare_models

    found = compare_models(
        reference, candidate, data, margin_points=margin_points,
        margins=_pairs("--margin", margins), confidence=confidence, **options,
    )  # fmt: skip
    headings = ["A", "B", "change of B", ""]
    text = "\n".join(
        [
            f"A: {reference}",
            f"B: {candidate}",
            f"on {found.change['examples']} examples of '{data}'",
            "",
            table(headings, [(*texts, name) for name, *texts in found.rows()]),
        ]
    )
    verdict = found.verdict
    if verdict is not None:
        text += (
            f"\n\nB is {_VERDICTS[verdict.verdict]}: top-1 changes by "
            f"{verdict.difference_points:+.2f} points ({verdict.lost} lost, {verdict.won} won), "
            f"from {verdict.low_points:+.2f} to {verdict.high_points:+.2f} at {confidence:.0%} "
            f"confidence; down to -{margin_points:g} is allowed"
        )
        if verdict.examples_needed is not None:
            text += f"; about {verdict.examples_needed:,} more examples would decide"
    for judgement in found.judgements.values():
        text += f"\n\nB is {_VERDICTS[judgement.verdict]}: {judgement.why}"
    return Result(text, found.to_dict(), exit_status=0 if found.passed else 1)


def _pairs(option: str, given: tuple[str, ...]) -> dict[str, Any]:
    """Return what options NAME=VALUE say; numbers as numbers."""
    found: dict[str, Any] = {}
    for text in given:
        name, is_pair, value = text.partition("=")
        if not is_pair or not name:
            raise click.BadParameter(f"'{text}' is not NAME=VALUE", param_hint=f"'{option}'")
        for kind in (int, float, str):
            try:
                found[name] = kind(value)
                break
            except ValueError:
                continue
    return found


_VERDICTS = {
    "no worse": "no worse than A",
    "worse": "worse than A",
    "undecided": "neither shown to be worse than A nor to be no worse",
}
