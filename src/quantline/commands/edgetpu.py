"""``quantline edgetpu``: what the Edge TPU does with a model, with and without the hardware."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from quantline.commands.command import Command, Result
from quantline.commands.edgetpu_text import (
    compilation_text,
    evaluation_text,
    placed_text,
    programs_text,
    run_text,
)
from quantline.commands.model_file import read_model
from quantline.commands.options import SAMPLES
from quantline.commands.outputs import check_outputs, write_together
from quantline.edgetpu.operators import NEWEST_RUNTIME, OLDEST_RUNTIME

if TYPE_CHECKING:
    from quantline.edgetpu import DeviceRun, Match


@click.command("edgetpu", cls=Command)
@click.argument("model", metavar="MODEL.tflite")
@click.option(
    "--runtime-version", type=click.IntRange(OLDEST_RUNTIME, NEWEST_RUNTIME), metavar="N",
    default=NEWEST_RUNTIME, show_default=True, help="The Edge TPU runtime to compile for.",
)  # fmt: skip
@click.option(
    "--multiple-subgraphs", is_flag=True,
    help="As compiled with --enable_multiple_subgraphs: every group of operators, not one.",
)  # fmt: skip
@click.option(
    "--original", metavar="ORIGINAL.tflite",
    help="What a compiled MODEL.tflite was made from: tells which operators went where.",
)  # fmt: skip
@click.option(
    "--compile", "out", metavar="OUT.tflite",
    help="Compile with edgetpu_compiler, and compare the result with the prediction.",
)  # fmt: skip
@click.option("--compiler", metavar="PATH", help="edgetpu_compiler, if it is not on PATH.")
@click.option("--force", is_flag=True, help="Replace a different OUT.tflite.")
@click.option(
    "--run", "data", metavar="DATA.npz",
    help=f"Run the compiled model on a device, on these samples. {SAMPLES}",
)  # fmt: skip
@click.option("--device", default="", metavar="NAME", help="Which one: usb:0, pci:0; else any.")
def edgetpu(
    model: str,
    runtime_version: int,
    multiple_subgraphs: bool,
    original: str | None,
    out: str | None,
    compiler: str | None,
    force: bool,
    data: str | None,
    device: str,
) -> Result:
    """Say what the Edge TPU does with a model: operators, memory, latency, and what to change.

    Of a model before compilation everything is predicted from the file; of a compiled one, mapping
    and memory are parsed from it. Neither compiler nor device is needed for that.

    \b
        quantline edgetpu model_int8.tflite
        quantline edgetpu model_int8_edgetpu.tflite --original model_int8.tflite

    Exit status: 0; 1 where nothing is mapped; 2 if the model cannot be read.
    """  # noqa: D301 - click's mark for lines that stay as they are
    from quantline.edgetpu import evaluate, match, read_compiled

    if out is not None:
        check_outputs([Path(out)], [model, original, data], suffix=".tflite")
    content, graph = read_model(Path(model))
    source = None if original is None else read_model(Path(original))
    # First, since it may be refused: that which takes long comes last.
    placed = None if source is None else match(source[1], graph)
    found = evaluate(content, runtime_version, multiple_subgraphs, name=f"'{model}'")
    values = {"model": model, **found.to_dict()}
    parts = [evaluation_text(model, len(content), found)]
    compiled = read_compiled(graph, f"'{model}'")
    if compiled.subgraphs:
        values["compiled"] = compiled.to_dict()
        parts.append(programs_text(compiled))
    if source is not None and placed is not None:
        values["original"] = _placed(placed)
        parts.append(placed_text(str(original), source[1], placed))
    int8_model = None if source is None else source[0]
    if out is not None:
        int8_model = content
        content, values["compilation"] = _compile(
            content, runtime_version, multiple_subgraphs, compiler
        )
        write_together({Path(out): content}, force=force)
        parts.append(f"{compilation_text(values['compilation'])}\nwritten     {out}")
    if data is not None:
        run = _run(content, int8_model, data, device)
        values["run"] = run.to_dict()
        parts.append(run_text(run))
    return Result("\n\n".join(parts), values, 0 if found.report.mapped_operators else 1)


def _compile(
    content: bytes, runtime_version: int, multiple_subgraphs: bool, compiler: str | None
) -> tuple[bytes, dict[str, Any]]:
    from quantline.edgetpu import CompilerOptions, compile_model, find_compiler, predict
    from quantline.edgetpu.comparison import compare
    from quantline.tflite import read

    options = CompilerOptions(
        min_runtime_version=runtime_version, multiple_subgraphs=multiple_subgraphs
    )
    compilation = compile_model(content, options, find_compiler(compiler))
    (compiled,) = compilation.models
    graph = read(content)
    predicted = predict(graph, runtime_version, multiple_subgraphs)
    compared = compare(predicted, graph, read(compiled.content))
    return compiled.content, {**compilation.to_dict(), "predicted": compared.to_dict()}


def _run(content: bytes, int8_model: bytes | None, data: str, device: str) -> DeviceRun:
    from quantline.commands.samples import choose, open_archive
    from quantline.edgetpu import Access, run_on_device
    from quantline.tflite import read

    main = read(content).main
    inputs = {main.tensors[each].name: main.tensors[each].shape[1:] for each in main.inputs}
    samples = choose(open_archive(data), inputs)
    return run_on_device(content, samples.each(), int8_model, access=Access(device))


def _placed(placed: Match) -> dict[str, Any]:
    return {
        "cpu": list(placed.cpu),
        "dead": list(placed.dead),
        "edgetpu": list(placed.edgetpu),
        "evidence": "parsed",
        "subgraphs": [list(each) for each in placed.subgraphs],
    }
