"""``quantline validate``: the check of any ``.tflite`` file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from quantline import recipe
from quantline.api.files import read_model
from quantline.commands.command import Command, Result
from quantline.contract.finding import Specification
from quantline.contract.targets import BUILT_IN
from quantline.errors import first_few
from quantline.tables import pairs, size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantline.contract import ContractReport
    from quantline.contract.golden import Mismatch
    from quantline.tflite import Graph


@click.command("validate", cls=Command)
@click.argument("model", metavar="MODEL.tflite")
@click.option("--target", metavar="NAME", help=f"Hold it to a target too: {', '.join(BUILT_IN)}, "
              "or the path of a YAML file that describes one.")  # fmt: skip
@click.option("--golden", metavar="FILE.npz", help="Run it on its golden vectors too.")
@click.option(
    "--scheme", type=click.Choice(get_args(recipe.SchemeName)),
    help="What it was to be quantized by; under a scheme that allows float, what is float breaks "
    "nothing. By default what the recipe says, or int8.",
)  # fmt: skip
@click.option(
    "--specification", type=click.Choice(get_args(Specification)), default="int8",
    show_default=True,
    help="The quantization specification that is to hold: that of int8 (and 16x8), the former one "
    "of uint8 models, or none.",
)  # fmt: skip
@click.option("--float-input", is_flag=True, help="Its inputs are float32 by intent.")
@click.option("--float-output", is_flag=True, help="Its outputs are float32 by intent.")
def validate(
    model: str,
    target: str | None,
    golden: str | None,
    scheme: recipe.SchemeName | None,
    specification: Specification,
    float_input: bool,
    float_output: bool,
) -> Result:
    """Check a .tflite file: integer-only, the 8-bit specification, a target, golden vectors.

    MODEL.tflite may come from any converter; without golden vectors it is not run. The recipe that
    'quantline quantize' wrote next to it, MODEL.json, has its scheme and the types of its inputs
    and outputs.

    \b
        quantline validate model_int8.tflite --target edgetpu
        quantline validate model_int8.tflite --golden model_int8.golden.npz --json
        quantline validate mobilenet_v1_1.0_224_quant.tflite --specification uint8

    Exit status: 0 if it holds; 1 if a finding breaks a promise; 2 if it cannot be read.
    """  # noqa: D301 - click's mark for lines that stay as they are
    from quantline.api.validate import validate as check_model
    from quantline.commands.verdict import findings_text, verdicts

    found = check_model(
        model,
        target,
        golden=golden,
        scheme=scheme,
        specification=specification,
        float_input=float_input,
        float_output=float_output,
    )
    source = "no recipe next to it" if found.recipe_path is None else f"'{found.recipe_path}'"
    rows = [
        ("model", f"{model}, {size(found.size_bytes)}"),
        ("scheme", f"{found.scheme} ({'as asked' if scheme else source})"),
        ("interface", _interface(read_model(Path(model))[1], found.report)),
        *verdicts(found.report),
    ]
    if found.vectors is not None:
        rows.append(("golden vectors", _golden_text(found.vectors, found.mismatches)))
    text = pairs(rows)
    if found.findings:
        text += f"\n\n{findings_text(found.findings)}"
    return Result(text, found.to_dict(), exit_status=0 if found.holds else 1)


def _interface(graph: Graph, report: ContractReport) -> str:
    from quantline.contract.model_check import interface_operators

    text = f"{', '.join(report.input_types)} -> {', '.join(report.output_types)}"
    inputs = interface_operators(
        graph.main, float_input="float32" in report.input_types, float_output=False
    )
    outputs = interface_operators(
        graph.main, float_input=False, float_output="float32" in report.output_types
    )
    known = set(report.interface)
    ways = ["--float-input"] * bool(inputs - known) + ["--float-output"] * bool(outputs - known)
    asked = " and ".join(f"'{way}'" for way in ways)
    return f"{text}; if float32 is meant there, give {asked}" if ways else text


def _golden_text(vectors: int, mismatches: Sequence[Mismatch]) -> str:
    if not mismatches:
        return f"kept: {vectors} vectors"
    sources = dict.fromkeys(mismatch.source for mismatch in mismatches)
    steps = [
        mismatch.largest_steps for mismatch in mismatches if mismatch.largest_steps is not None
    ]
    far = f", by up to {max(steps):g} quantization steps" if steps else ""
    return f"broken: {len(sources)} of {vectors} vectors ({first_few(list(sources), 3)}){far}"
