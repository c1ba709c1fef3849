"""``quantline quantize``: a float model in, a quantized ``.tflite`` file and its recipe out."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from quantline.api.outputs import check_outputs, write_together
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
from quantline.errors import DataError, MismatchError
from quantline.files import canonical_json
from quantline.range_methods import ChosenMethod
from quantline.tables import pairs, size

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quantline import recipe
    from quantline.api.prepare import Prepared
    from quantline.contract import ContractReport
    from quantline.ranges import RangeSet
    from quantline.tflite import Graph


@click.command("quantize", cls=Command)
@click.argument("model")
@click.option("--calibration", metavar="DATA.npz", help=SAMPLES)
@click.option("--ranges", metavar="FILE", help="Ranges that 'quantline record' wrote, instead.")
@conversion_options
@model_options
@lint_option
@output_option("The .tflite file to write; the recipe goes to a .json file beside it, and golden "
               "vectors to a .golden.npz file.")  # fmt: skip
def quantize(
    source: recipe.Model,
    limits: recipe.Limits,
    calibration: str | None,
    ranges: str | None,
    conversion: recipe.Conversion,
    lint: Literal["error", "warn"],
    out: str,
    force: bool,
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
    from quantline.api.prepare import prepare
    from quantline.commands.verdict import findings_text
    from quantline.contract import check_model, enforce, golden, with_reasons
    from quantline.contract.preflight import preflight, require_quantizable
    from quantline.quantization import quantize as convert
    from quantline.quantization.output_report import lost_outputs
    from quantline.quantization.schemes import SCHEMES, with_types
    from quantline.tflite import read

    conversion = with_types(conversion)
    scheme = conversion.scheme

    target, beside = Path(out), Path(out).with_suffix(".json")
    vectors = target.with_suffix(".golden.npz")
    check_outputs([target, beside, vectors], [source.path, calibration, ranges], suffix=".tflite")
    kind = SCHEMES[scheme]
    if kind.integer and calibration is None and ranges is None:
        raise MismatchError(
            f"The scheme '{scheme}' needs the ranges of the activations",
            found="neither '--calibration' nor '--ranges'",
            expected="samples to record ranges from, or recorded ranges",
            remedy="Give '--calibration samples.npz', or '--ranges ranges.json' from 'quantline "
            "record'; the schemes float16 and dynamic_range need neither",
        )
    searches = conversion.ranges.method == "auto" or conversion.bias_correction
    if kind.integer and searches and calibration is None:
        what = "The method 'auto'" if conversion.ranges.method == "auto" else "Bias correction"
        raise DataError(
            f"{what} needs samples to judge by",
            found="recorded ranges only",
            expected="the samples that the ranges were recorded from; about 100 suffice",
            remedy="Give '--calibration samples.npz', or '--method minmax' without "
            "'--bias-correction'",
        )
    recorded = _load(ranges) if ranges is not None and kind.integer else None
    prepared = prepare(source, limits, calibration, lint)
    original = read(prepared.model.content)
    if kind.integer and not kind.allows_float:
        require_quantizable(preflight(original, scheme, conversion.backend))
    if kind.integer:
        recorded = _recorded(recorded, prepared, ranges)
    samples = [] if prepared.samples is None else list(prepared.samples.each())
    with deferred_warnings():
        made = convert(prepared.model.content, recorded, conversion, samples, prepared.source)
        graph = read(made.content)
        report = check_model(
            graph,
            float_input=conversion.input_type == "float32",
            float_output=conversion.output_type == "float32",
            promise=scheme,
        )
        if kind.integer and not kind.allows_float:
            enforce(with_reasons(report, original, graph, made.recipe))
    told = {**made.recipe, "float_import": prepared.model.about}
    contents = {
        target: made.content,
        beside: canonical_json(told),
        vectors: golden.make(made.content, samples).to_bytes(),
    }
    write_together(contents, force=force)
    written = [str(path) for path in contents]
    lost = lost_outputs(told["measured"])
    text = _table(prepared, told, graph, report, written)
    # Of a scheme that is meant to compute in float, the table says enough about what is.
    shown = [
        finding for finding in report.findings if kind.integer or not finding.breaks_integer_only
    ]
    if shown:
        text += f"\n\n{findings_text(shown)}"
    return Result(
        text,
        {
            "written": written,
            "recipe": told,
            "check": report.to_dict(),
            "inputs": _ports(graph, inputs=True),
            "outputs": _ports(graph, inputs=False),
            "findings": [asdict(finding) for finding in prepared.findings],
            "failed": None if lost is None else error_values(translated(lost)),
        },
        exit_status=1 if lost is not None and conversion.lost_outputs == "error" else 0,
    )


def _load(path: str) -> RangeSet:
    from quantline.ranges import RangeSet

    return RangeSet.load(path)


def _recorded(recorded: RangeSet | None, prepared: Prepared, path: str | None) -> RangeSet:
    """Return the ranges that were given, if they are this model's, or record them."""
    if recorded is None:
        assert prepared.samples is not None  # noqa: S101 - one of the two was asked for
        return prepared.record()
    expected = prepared.model.about["float_model_sha256"]
    if recorded.float_model_sha256 != expected:
        raise MismatchError(
            f"The ranges '{path}' were not recorded from this model",
            found=f"ranges of the float model {recorded.float_model_sha256[:12]}",
            expected=f"ranges of the float model {expected[:12]}",
            remedy="Record them again with 'quantline record', from the same file and signature",
        )
    return recorded


def _ports(graph: Graph, *, inputs: bool) -> list[dict[str, Any]]:
    main = graph.main
    signature = graph.signatures[0] if graph.signatures else None
    named = {} if signature is None else signature.inputs if inputs else signature.outputs
    names = {index: name for name, index in named.items()}
    found = []
    for index in main.inputs if inputs else main.outputs:
        tensor = main.tensors[index]
        quantization = tensor.quantization
        found.append(
            {
                "name": names.get(index, tensor.name),
                "dtype": tensor.dtype,
                "shape": list(tensor.shape),
                "scale": quantization.scales[0] if quantization else None,
                "zero_point": quantization.zero_points[0] if quantization else None,
            }
        )
    return found


def _table(
    prepared: Prepared,
    told: Mapping[str, Any],
    graph: Graph,
    report: ContractReport,
    written: list[str],
) -> str:
    from quantline.commands.search_text import search_rows
    from quantline.quantization.output_report import lines

    before, after = len(prepared.model.content), told["size_bytes"]
    change = (
        f"{before / after:.2f}x smaller" if after <= before else f"{after / before:.2f}x larger"
    )
    left = Counter(
        finding.type
        for finding in report.findings
        if finding.breaks_integer_only
        and finding.operator is not None  # else it is a tensor alone
        and finding.type not in {"QUANTIZE", "DEQUANTIZE"}
    )
    kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(left.items()))
    dtypes = Counter(tensor.dtype for subgraph in graph.subgraphs for tensor in subgraph.tensors)
    rows = [
        *prepared.describe(),
        ("scheme", f"{told['scheme']}: weights {told['weights']}; activations "
                   f"{told['activations']}"),
        ("back end", f"{told['backend']}"),
    ]  # fmt: skip
    if told["method"] is not None:
        method = ChosenMethod.from_dict(told)
        rows.append(("ranges", f"{method}, from {told['samples']} samples"))
    if told.get("search"):
        rows += search_rows(told["search"])
    rows += [("outputs", text) for text in lines(told["measured"])]
    rows += [
        ("size", f"{size(before)} -> {size(after)}, {change}"),
        ("left in float", f"{left.total()} of {report.operators} operators: {kinds}"
                          if left else f"none of {report.operators} operators"),
        ("int8 tensors", f"{dtypes['int8']} of {report.tensors}; "
                         f"{report.integer_tensors} are integers"),
    ]  # fmt: skip
    for label, inputs in (("input", True), ("output", False)):
        for port in _ports(graph, inputs=inputs):
            steps = (
                f", scale {port['scale']:.6g}, zero point {port['zero_point']}"
                if port["scale"] is not None
                else ""
            )
            rows.append((label, f"{port['name']}: {port['dtype']} {port['shape']}{steps}"))
    rows.append(("written", ", ".join(written)))
    return pairs(rows)
