"""``quantline layers``: float against quantized, layer by layer, as a table."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from quantline.commands.command import Command, Result
from quantline.commands.options import SAMPLES, model_options
from quantline.errors import ModelUnreadable
from quantline.files import sha256
from quantline.tables import table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantline import recipe
    from quantline.contract.layers import LayerError

_TIMEOUT_S = 1800
_RATIOS = {"effect": None, "total": "sqnr_db", "own": "own_sqnr_db"}


@click.command("layers", cls=Command)
@click.argument("model", metavar="FLOAT")
@click.argument("quantized", metavar="INT8")
@click.option(
    "--data", metavar="DATA.npz", required=True, help=SAMPLES,
)  # fmt: skip
@click.option("--top", type=click.IntRange(min=1), metavar="N", help="Show only the N worst.")
@click.option(
    "--by", type=click.Choice(list(_RATIOS)), default="effect", show_default=True,
    help="Worst by what the layer's own error alone does to the model's outputs, by the error that "
    "arrives at its output, or by what it adds to that itself.",
)  # fmt: skip
@model_options
def layers(
    source: recipe.Model,
    limits: recipe.Limits,
    quantized: str,
    data: str,
    top: int | None,
    by: str,
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
    from quantline.api.model_file import read_model
    from quantline.api.prepare import prepare
    from quantline.child import run_in_child
    from quantline.contract.layers import compare_layers
    from quantline.quantization.layer_pairs import layer_outputs
    from quantline.quantization.original_source import kind_of
    from quantline.tflite import read

    if kind_of(Path(quantized)) != "tflite":
        raise ModelUnreadable(
            f"'{quantized}' is not a quantized model",
            found="another kind of file",
            expected="a .tflite file",
            remedy="Give the float model first and the .tflite file made from it second",
        )
    content, _ = read_model(Path(quantized))
    prepared = prepare(source, limits, data, "warn")
    assert prepared.samples is not None  # noqa: S101 - the data is required
    original = prepared.model.content
    errors = run_in_child(
        compare_layers, original, content, list(prepared.samples.each()),
        what=f"the comparison with '{quantized}'", timeout_s=_TIMEOUT_S,
    )  # fmt: skip
    ratio = _RATIOS[by]
    ranked = errors if ratio is None else sorted(errors, key=lambda item: getattr(item, ratio))
    shown = ranked[:top]
    of = len(layer_outputs(read(original)))
    values = {
        "evidence": "measured",
        "float_model_sha256": sha256(original),
        "model_sha256": sha256(content),
        "samples": prepared.samples.count,
        "float_layers": of,
        "compared_layers": len(errors),
        "layers": [item.to_dict() for item in shown],
    }
    title = (
        f"{len(errors)} of {of} layers compared on {prepared.samples.count} samples; effect of "
        "the layer's own error on the outputs; signal to quantization noise in dB, in all, of the "
        "worst channel and of the layer alone"
    )
    return Result(f"{title}\n\n{_table(shown)}", values)


def _table(errors: Sequence[LayerError]) -> str:
    headings = ["effect", "in all", "worst", "own", "constant", "saturated", "float min",
                "float max", "int min", "int max", "type", "tensor"]  # fmt: skip
    return table(headings, [_row(error) for error in errors])


def _row(layer: LayerError) -> list[str]:
    ends: list[Any] = [layer.float_min, layer.float_max, layer.quantized_min, layer.quantized_max]
    ratios = (layer.sqnr_db, layer.worst_channel_sqnr_db, layer.own_sqnr_db)
    return [
        "-" if layer.effect is None else f"{layer.effect:.2%}",
        *("-" if ratio is None else "exact" if ratio == math.inf else f"{ratio:.1f}"
          for ratio in ratios),
        f"{layer.constant_channels}/{layer.channels}" if layer.constant_channels else "0",
        f"{100 * layer.saturated_share:.2f}%" if layer.saturated_share else "0",
        *("-" if end is None else f"{end:.4g}" for end in ends),
        layer.type,
        layer.name,
    ]  # fmt: skip
