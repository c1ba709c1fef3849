"""``quantline record``: the ranges of a float model's activations, as a file."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from quantline.commands.command import Command, Result, output_option
from quantline.commands.outputs import check_outputs, write_together
from quantline.commands.table import pairs
from quantline.files import canonical_json


@click.command("record", cls=Command)
@click.argument("model")
@click.option(
    "--calibration", metavar="DATA.npz", required=True,
    help="One array for each model input, by its name, samples along the first axis; for a model "
    "of one input, a single array of any name, or the array 'x'.",
)  # fmt: skip
@click.option("--signature", metavar="KEY", help="Which signature of a SavedModel or .tflite.")
@click.option("--allow-lambda", is_flag=True,
              help="Run Python code stored in a Keras file: only for files you trust.")  # fmt: skip
@click.option(
    "--lint", type=click.Choice(["error", "warn"]), default="error", show_default=True,
    help="Whether calibration data that would give a wrong model stops the command.",
)  # fmt: skip
@output_option("The .json file to write.")
def record(
    model: str,
    calibration: str,
    signature: str | None,
    allow_lambda: bool,
    lint: str,
    out: str,
    force: bool,
) -> Result:
    """Record what every activation of a float model is on samples.

    The file holds each tensor's extremes, their averages and a histogram: 'quantline quantize
    --ranges' chooses from them by any method, 'quantline merge' joins those of several shards.

    \b
        quantline record model.keras --calibration samples.npz -o ranges.json
    """  # noqa: D301 - click's mark for lines that stay as they are
    target = Path(out)
    check_outputs([target], [model, calibration], suffix=".json")
    from quantline.commands.prepare import prepare

    prepared = prepare(
        model, calibration, signature=signature, allow_lambda=allow_lambda, lenient=lint == "warn"
    )
    ranges = prepared.record()
    ranges.check_finite()
    write_together({target: canonical_json(ranges.to_dict())}, force=force)
    rows = [
        *prepared.describe(),
        ("recorded", f"{len(ranges.tensors)} tensors over {ranges.samples} samples"),
        ("float model", ranges.float_model_sha256[:12]),
        ("written", str(target)),
    ]
    values = {
        "written": [str(target)],
        "samples": ranges.samples,
        "samples_sha256": list(ranges.samples_sha256),
        "tensors": len(ranges.tensors),
        "float_import": prepared.model.about,
        "findings": [asdict(each) for each in prepared.findings],
    }
    return Result(pairs(rows), values)
