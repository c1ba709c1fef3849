"""``quantline record`` and ``merge``: files of the ranges of a float model's activations."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from quantline.api.files import check_outputs, write_together
from quantline.commands.command import Command, Result, output_option
from quantline.commands.options import SAMPLES, lint_option, model_options
from quantline.files import canonical_json
from quantline.tables import pairs

if TYPE_CHECKING:
    from quantline import recipe
    from quantline.ranges import RangeSet


@click.command("record", cls=Command)
@click.argument("model")
@click.option(
    "--calibration", "samples", metavar="DATA.npz", required=True, help=SAMPLES,
)  # fmt: skip
@model_options
@lint_option
@output_option("The .json file to write.")
def record(
    source: recipe.Model,
    limits: recipe.Limits,
    samples: str,
    lint: Literal["error", "warn"],
    out: str,
    overwrite: bool,
) -> Result:
    """Record what every activation of a float model is on samples.

    The file holds each tensor's extremes, their averages and a histogram: 'quantline quantize
    --ranges' chooses from them by any method, 'quantline merge' joins those of several shards.

    \b
        quantline record model.keras --calibration samples.npz -o ranges.json
    """  # noqa: D301 - click's mark for lines that stay as they are
    target = Path(out)
    check_outputs([target], [source.path, samples], suffix=".json")
    from quantline.api.prepare import prepare

    prepared = prepare(source, limits, samples, lint)
    ranges = prepared.record()
    ranges.check_finite()
    written = _write(ranges, target, overwrite)
    rows = [
        *prepared.describe(),
        ("recorded", f"{len(ranges.tensors)} tensors over {ranges.samples} samples"),
        ("float model", ranges.float_model_sha256[:12]),
        ("written", str(target)),
    ]
    values = {
        **written,
        "float_import": prepared.model.about,
        "findings": [asdict(finding) for finding in prepared.findings],
    }
    return Result(pairs(rows), values)


@click.command("merge", cls=Command)
@click.argument("files", nargs=-1, required=True, metavar="A.json B.json ...")
@output_option("The .json file to write.")
def merge(files: tuple[str, ...], out: str, overwrite: bool) -> Result:
    """Merge recorded ranges of one model.

    The result is what recording all samples at once gives, in whatever order the files come.

    \b
        quantline merge shard_1.json shard_2.json -o ranges.json
    """  # noqa: D301 - click's mark for lines that stay as they are
    if len(files) < 2:
        raise click.UsageError("One file only: there is nothing to merge it with.")
    target = Path(out)
    check_outputs([target], files, suffix=".json")
    from quantline.api.quantize import merge as merge_ranges

    ranges = merge_ranges(files)
    written = _write(ranges, target, overwrite)
    rows = [
        ("merged", f"{len(files)} files of {len(ranges.tensors)} tensors"),
        ("samples", f"{ranges.samples}"),
        ("float model", ranges.float_model_sha256[:12]),
        ("written", str(target)),
    ]
    return Result(pairs(rows), {**written, "float_model_sha256": ranges.float_model_sha256})


def _write(ranges: RangeSet, target: Path, overwrite: bool) -> dict[str, Any]:
    """Write ranges; return what both commands say of them to machines."""
    write_together({target: canonical_json(ranges.to_dict())}, force=overwrite)
    return {
        "written": [str(target)],
        "samples": ranges.samples,
        "samples_sha256": list(ranges.samples_sha256),
        "tensors": len(ranges.tensors),
    }
