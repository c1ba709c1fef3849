"""``quantline validate``: the check of any ``.tflite`` file."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from quantline import recipe
from quantline.api.model_file import read_model
from quantline.commands.command import Command, Result
from quantline.contract.finding import Specification
from quantline.contract.targets import BUILT_IN
from quantline.error_output import write_line
from quantline.errors import ResultMissing, first_few
from quantline.files import sha256
from quantline.tables import pairs, size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
    scheme: str | None,
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
    from quantline.commands.verdict import findings_text, verdicts
    from quantline.contract import check_model
    from quantline.contract.targets import check_target, load

    chosen = None if target is None else load(target)
    content, graph = read_model(Path(model))
    made = _recipe_of(Path(model), content)
    promise = scheme or made.get("scheme", "int8")
    report = check_model(
        graph,
        float_input=float_input or made.get("input_type") == "float32",
        float_output=float_output or made.get("output_type") == "float32",
        promise=promise,
        specification=specification,
    )
    if chosen is not None:
        report = check_target(report, graph, chosen, len(content))
    vectors, mismatches = (0, ()) if golden is None else _check(content, golden)
    holds = not mismatches and all(finding.severity == "note" for finding in report.findings)
    values = {
        **report.to_dict(),
        "holds": holds,
        "model_sha256": sha256(content),
        "size_bytes": len(content),
        "scheme": promise,
        "golden": None if golden is None else {
            "holds": not mismatches,
            "vectors": vectors,
            "mismatches": [asdict(mismatch) for mismatch in mismatches],
        },
    }  # fmt: skip
    source = f"'{Path(model).with_suffix('.json')}'" if made else "no recipe next to it"
    rows = [
        ("model", f"{model}, {size(len(content))}"),
        ("scheme", f"{promise} ({'as asked' if scheme else source})"),
        ("interface", _interface(graph, report)),
        *verdicts(report),
    ]
    if golden is not None:
        rows.append(("golden vectors", _golden_text(vectors, mismatches)))
    text = pairs(rows)
    if report.findings:
        text += f"\n\n{findings_text(report.findings)}"
    return Result(text, values, exit_status=0 if holds else 1)


def _recipe_of(path: Path, content: bytes) -> Mapping[str, Any]:
    """Return the recipe that lies next to a model; nothing where there is none of this model.

    Raises:
        ResultMissing: It is this model's, and damaged.
    """
    from quantline.quantization.schemes import SCHEMES
    from quantline.results import Origin, check_result, parse_json, read_bytes
    from quantline.results.parse import MOST_BYTES

    recipe_path = path.with_suffix(".json")
    origin = Origin(
        f"The recipe '{recipe_path}'",
        "what 'quantline quantize' wrote next to the model",
        "Quantize the model again, or take the file away and say with '--scheme' what it is",
    )
    try:
        found = parse_json(read_bytes(recipe_path, origin, MOST_BYTES), origin)
    except ResultMissing:
        return {}
    if not isinstance(found, dict):
        return {}
    if found.get("int8_model_sha256") != sha256(content):
        if str(found.get("scheme")) in SCHEMES:
            write_line(
                f"warning: '{recipe_path}' is the recipe of another model, and is not used",
                sys.stderr,
            )
        return {}
    made: Mapping[str, Any] = check_result("recipe", found, origin)
    return made


def _check(content: bytes, path: str) -> tuple[int, tuple[Mismatch, ...]]:
    from quantline.contract.golden import check
    from quantline.contract.vectors import Golden

    kept = Golden.load(path)
    return len(kept.vectors), check(content, kept)


def _interface(graph: Graph, report: ContractReport) -> str:
    from quantline.contract.integer_only import interface_operators

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
