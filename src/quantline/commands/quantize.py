"""``quantline quantize``: a float model in, a quantized ``.tflite`` file and its recipe out."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Literal

import click

from quantline.api.files import check_outputs
from quantline.arguments import translated
from quantline.commands.command import (
    Command,
    Result,
    deferred_warnings,
    error_values,
    output_option,
)
from quantline.commands.conversion_options import conversion_options
from quantline.commands.options import SAMPLES, lint_option, model_options
from quantline.tables import pairs

if TYPE_CHECKING:
    from quantline import recipe


@click.command("quantize", cls=Command)
@click.argument("model")
@click.option("--calibration", "samples", metavar="DATA.npz", help=SAMPLES)
@click.option("--ranges", metavar="FILE", help="Ranges that 'quantline record' wrote, instead.")
@conversion_options
@model_options
@lint_option
@output_option("The .tflite file to write; the recipe goes to a .json file next to it, and golden "
               "vectors to a .golden.npz file.")  # fmt: skip
def quantize(
    source: recipe.Model,
    limits: recipe.Limits,
    samples: str | None,
    ranges: str | None,
    conversion: recipe.Conversion,
    lint: Literal["error", "warn"],
    out: str,
    overwrite: bool,
) -> Result:
    """Quantize a trained float model to a .tflite file.

    MODEL is a Keras file (.keras or .h5), a SavedModel folder or a float .tflite file. Ranges come
    from --calibration, or were recorded before and come from --ranges; float16 and dynamic_range
    need neither.

    \b
        quantline quantize model.keras --calibration samples.npz -o model_int8.tflite
        quantline quantize model.keras --scheme float16 -o model_f16.tflite
        quantline quantize float.tflite --ranges ranges.json --method mse -o int8.tflite
    """  # noqa: D301 - click's mark for lines that stay as they are
    from quantline.api.quantize import convert
    from quantline.api.result import output_paths, tensor_ios
    from quantline.commands.verdict import findings_text
    from quantline.quantization.schemes import SCHEMES
    from quantline.tflite import read

    outputs = output_paths(out)
    check_outputs(outputs, [source.path, samples, ranges], suffix=".tflite")
    with deferred_warnings():
        result = convert(source, limits, conversion, samples, ranges, lint)
    result.save(out, overwrite=overwrite)
    written = [str(path) for path in outputs]
    text = pairs([*result.summary, ("written", ", ".join(written))])
    # Of a scheme that is meant to compute in float, the table says enough about what is.
    integer = SCHEMES[conversion.scheme].integer
    shown = [
        finding for finding in result.check.findings if integer or not finding.breaks_integer_only
    ]
    if shown:
        text += f"\n\n{findings_text(shown)}"
    graph = read(result.content)
    return Result(
        text,
        {
            "written": written,
            "recipe": result.recipe,
            "check": result.check.to_dict(),
            "inputs": tensor_ios(graph, inputs=True),
            "outputs": tensor_ios(graph, inputs=False),
            "findings": [asdict(finding) for finding in result.findings],
            "failed": None if result.lost is None else error_values(translated(result.lost)),
        },
        exit_status=1 if result.lost is not None and conversion.lost_outputs == "error" else 0,
    )
