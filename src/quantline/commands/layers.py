"""``quantline layers``: float against quantized, layer by layer, as a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from quantline.commands.command import Command, Result
from quantline.commands.options import SAMPLES, model_options
from quantline.errors import ModelUnreadable
from quantline.tables import table

if TYPE_CHECKING:
    from quantline import recipe


@click.command("layers", cls=Command)
@click.argument("model", metavar="FLOAT")
@click.argument("quantized", metavar="INT8")
@click.option(
    "--data", "samples", metavar="DATA.npz", required=True, help=SAMPLES,
)  # fmt: skip
@click.option("--top", type=click.IntRange(min=1), metavar="N", help="Show only the N worst.")
@click.option(
    "--by", type=click.Choice(["effect", "total", "own"]), default="effect", show_default=True,
    help="Worst by what the layer's own error alone does to the model's outputs, by the error that "
    "arrives at its output, or by what it adds to that itself.",
)  # fmt: skip
@model_options
def layers(
    source: recipe.Model,
    limits: recipe.Limits,
    quantized: str,
    samples: str,
    top: int | None,
    by: Literal["effect", "total", "own"],
) -> Result:
    """Compare a float and a quantized model layer by layer, the worst first.

    FLOAT is a Keras file (.keras or .h5), a SavedModel folder or a float .tflite file; INT8 the
    .tflite file that was made from it. For each layer: what its own error alone does to the model's
    outputs, or to what their SOFTMAX is given, as a share of what these vary by; the signal to
    quantization noise ratio of its output in dB, with the errors of all layers before it, of its
    worst channel, and of the layer alone, given the float model's values; how many channels became
    constant; the share of float values beyond what the integers can hold; and both ranges.

    \b
        quantline layers model.keras model_int8.tflite --data samples.npz --top 10
    """  # noqa: D301 - click's mark for lines that stay as they are
    from quantline.api.files import read_model
    from quantline.api.layers import HEADINGS, compare_with, row
    from quantline.quantization.original_source import kind_of

    if kind_of(Path(quantized)) != "tflite":
        raise ModelUnreadable(
            f"'{quantized}' is not a quantized model",
            found="another kind of file",
            expected="a .tflite file",
            remedy="Give the float model first and the .tflite file made from it second",
        )
    content, _ = read_model(Path(quantized))
    compared = compare_with(source, limits, content, samples, by, f"'{quantized}'")
    shown = compared.layers[:top]
    title = (
        f"{len(compared.layers)} of {compared.float_layers} layers compared on "
        f"{compared.samples} samples; effect of the layer's own error on the outputs; signal to "
        "quantization noise in dB, in all, of the worst channel and of the layer alone"
    )
    values = {**compared.to_dict(), "layers": [layer.to_dict() for layer in shown]}
    return Result(f"{title}\n\n{table(HEADINGS, map(row, shown))}", values)
