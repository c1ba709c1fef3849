"""``quantline merge``: the ranges of several recordings as if recorded at once."""

from __future__ import annotations

from functools import reduce
from pathlib import Path

import click

from quantline.api.outputs import check_outputs, write_together
from quantline.commands.command import Command, Result, output_option
from quantline.files import canonical_json
from quantline.tables import pairs


@click.command("merge", cls=Command)
@click.argument("files", nargs=-1, required=True, metavar="A.json B.json ...")
@output_option("The .json file to write.")
def merge(files: tuple[str, ...], out: str, force: bool) -> Result:
    """Merge recorded ranges of one model.

    The result is what recording all samples at once gives, in whatever order the files come.

    \b
        quantline merge shard_1.json shard_2.json -o ranges.json
    """  # noqa: D301 - click's mark for lines that stay as they are
    if len(files) < 2:
        raise click.UsageError("One file only: there is nothing to merge it with.")
    target = Path(out)
    check_outputs([target], files, suffix=".json")
    from quantline.ranges import RangeSet

    ranges = reduce(RangeSet.merge, map(RangeSet.load, files))
    write_together({target: canonical_json(ranges.to_dict())}, force=force)
    rows = [
        ("merged", f"{len(files)} files of {len(ranges.tensors)} tensors"),
        ("samples", f"{ranges.samples}"),
        ("float model", ranges.float_model_sha256[:12]),
        ("written", str(target)),
    ]
    values = {
        "written": [str(target)],
        "samples": ranges.samples,
        "samples_sha256": list(ranges.samples_sha256),
        "tensors": len(ranges.tensors),
        "float_model_sha256": ranges.float_model_sha256,
    }
    return Result(pairs(rows), values)
