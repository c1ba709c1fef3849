"""``quantline edgetpu``: what the Edge TPU does with a model, with and without the hardware."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from quantline import recipe
from quantline.api.files import check_outputs, read_model, write_together
from quantline.commands.command import Command, Result
from quantline.commands.edgetpu_text import evaluation_text
from quantline.commands.edgetpu_work_text import (
    compilation_text,
    placed_text,
    programs_text,
    run_text,
)
from quantline.commands.options import SAMPLES
from quantline.edgetpu.mapping.operators import NEWEST_RUNTIME, OLDEST_RUNTIME

if TYPE_CHECKING:
    from quantline.api.samples import Samples
    from quantline.tflite import Graph


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
@click.option(
    "--search-delegate", is_flag=True,
    help="If it does not compile, let the compiler cut the model shorter until it does.",
)  # fmt: skip
@click.option(
    "--compiler-timeout-s", type=click.IntRange(min=1), metavar="N", default=180,
    show_default=True, help="After how many seconds the compiler is ended.",
)  # fmt: skip
@click.option("--force", "overwrite", is_flag=True, help="Replace a different OUT.tflite.")
@click.option(
    "--run", "data", metavar="DATA.npz",
    help=f"Run the compiled model on a device, on these samples. {SAMPLES}",
)  # fmt: skip
@click.option("--device", default="", metavar="NAME", help="Which one: usb:0, pci:0; else any.")
@click.option(
    "--library", metavar="PATH", help="libedgetpu, if the system's loader does not find it."
)
def edgetpu(
    model: str,
    original: str | None,
    out: str | None,
    compiler: str | None,
    overwrite: bool,
    data: str | None,
    device: str,
    library: str | None,
    **compiled_how: Any,
) -> Result:
    """Say what the Edge TPU does with a model: operators, memory, latency, and what to change.

    Of a model before compilation everything is predicted from the file; of a compiled one, mapping
    and memory are parsed from it. Neither compiler nor device is needed for that.

    \b
        quantline edgetpu model_int8.tflite
        quantline edgetpu model_int8_edgetpu.tflite --original model_int8.tflite

    Exit status: 0; 1 where nothing is mapped, or the compiler refuses the model; 2 if the model
    cannot be read.
    """  # noqa: D301 - click's mark for lines that stay as they are
    from quantline.edgetpu import Access, detect, evaluate, find_compiler, run_on_device
    from quantline.edgetpu.device.run import require_compiled
    from quantline.edgetpu.if_available import compile_and_compare

    settings = recipe.EdgeTpu(**compiled_how)
    # What may be refused comes first, what takes long last.
    searches = settings.search_delegate
    _need("--compile", out, **{"--compiler": compiler, "--search-delegate": searches})
    _need("--run", data, **{"--device": device, "--library": library})
    access = Access(device, library)
    access.check()
    if out is not None:
        check_outputs([Path(out)], [model, original, data], suffix=".tflite")
    content, graph = read_model(Path(model))
    source = None if original is None else read_model(Path(original))
    if source is not None or (data is not None and out is None):
        require_compiled(graph)
    # The compiler drops the signatures, and with them the names that samples go by.
    samples = None if data is None else _samples(source[1] if source else graph, data)
    program = None if out is None else find_compiler(compiler)
    found = evaluate(
        content, settings.runtime_version, settings.multiple_subgraphs,
        name=f"'{model}'", original=None if source is None else source[1],
    )  # fmt: skip
    mapped = found.report.mapped_operators
    devices = [device_found.to_dict() for device_found in detect()]
    values = {"model": model, **found.to_dict(), "devices": devices}
    parts = [evaluation_text(model, len(content), found)]
    if found.compiled is not None:
        values["compiled"] = found.compiled.to_dict()
        parts.append(programs_text(found.compiled))
    if source is not None and found.placed is not None:
        values["original"] = found.placed.to_dict()
        parts.append(placed_text(str(original), source[1], found.placed))
    int8_model = None if source is None else source[0]
    if out is not None and program is not None:
        int8_model = content
        made, report = compile_and_compare(content, settings, program)
        content, mapped = made.content, made.record.mapped_operators
        values["compilation"] = report
        write_together({Path(out): content}, force=overwrite)
        parts.append(f"{compilation_text(report)}\n\nwritten: {out}")
    if samples is not None:
        run = run_on_device(content, samples.each(), int8_model, access=access)
        values["run"] = run.to_dict()
        parts.append(run_text(run))
    return Result("\n\n".join(parts), values, 0 if mapped else 1)


def _need(option: str, value: str | None, **others: object) -> None:
    for name, given in others.items():
        if given and value is None:
            raise click.UsageError(f"'{name}' needs '{option}'")


def _samples(graph: Graph, data: str) -> Samples:
    from quantline.api.samples import choose, open_archive
    from quantline.quantization.parity import inputs_of

    inputs = {name: tensor.shape[1:] for name, tensor in inputs_of(graph).items()}
    return choose(open_archive(data), inputs).named(list(inputs))
