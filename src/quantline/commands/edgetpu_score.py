"""``quantline edgetpu-score``: the Edge TPU predictions, against what the compiler really did."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from quantline.commands.command import Command, Result
from quantline.edgetpu.mapping.operators import NEWEST_RUNTIME, OLDEST_RUNTIME
from quantline.errors import first_few
from quantline.tables import pairs, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quantline.edgetpu.scoring.score import ModelScore, Score

_HEADINGS = (
    "operators", "right", "unknown", "subgraphs", "parameter bytes", "true", "error", "streamed",
    "true", "runtime", "model",
)  # fmt: skip

_DID = {
    "edgetpu": "the compiler mapped it",
    "cpu": "the compiler left it on the CPU",
    "dead": "no output depends on it",
}


@click.command("edgetpu-score", cls=Command)
@click.argument("folder", metavar="FOLDER")
@click.option(
    "--runtime-version", type=click.IntRange(OLDEST_RUNTIME, NEWEST_RUNTIME), metavar="N",
    help="Predict for this Edge TPU runtime. By default for the one that each compiled model asks "
    "for, since the rules differ by it.",
)  # fmt: skip
def edgetpu_score(folder: str, runtime_version: int | None) -> Result:
    """Score the Edge TPU predictions on models that went through the real compiler.

    FOLDER holds models X.tflite, and for each what edgetpu_compiler made of it: X_edgetpu.tflite,
    or a record in truth.json. Every model is predicted from X.tflite alone and compared with that:
    each operator, the number of subgraphs, the bytes of parameters. Neither the compiler nor a
    device is needed.

    \b
        quantline edgetpu-score compiled/

    Exit status: 0, however many predictions miss; 2 if there is nothing to score.
    """  # noqa: D301 - click's mark for lines that stay as they are
    from quantline.edgetpu.scoring.score import score

    found = score(Path(folder), runtime_version)
    parts = [
        table(_HEADINGS, [_row(model) for model in found.models]),
        *_listed("Misses", [line for model in found.models for line in _misses(model)]),
        *_listed("Not scored", [f"{model.model}: {model.why}" for model in found.unscored]),
        pairs(_totals(found)),
    ]
    return Result("\n\n".join(parts), found.to_dict())


def _row(found: ModelScore) -> tuple[str, ...]:
    error = found.parameter_error
    return (
        f"{found.operators:,}",
        f"{found.right:,}",
        f"{found.unknown:,}",
        f"{found.subgraphs}/{found.truth.subgraphs}",
        _bytes(found.memory.parameter_bytes, "unknown"),
        _bytes(found.truth.parameter_bytes),
        "" if error is None else f"{error:+.2%}",
        _bytes(found.memory.streamed_bytes, "unknown"),
        _bytes(found.truth.streamed_bytes),
        str(found.runtime_version),
        found.model,
    )


def _bytes(count: int | None, otherwise: str = "") -> str:
    return otherwise if count is None else f"{count:,}"


def _misses(found: ModelScore) -> Iterator[str]:
    """Say what was missed and why, operators that were missed alike together."""
    alike: dict[tuple[str, ...], list[int]] = {}
    for miss in found.misses:
        verdict = miss.predicted
        because = f"'{verdict.status}': {verdict.rule} ({verdict.provenance})"
        key = (verdict.type, verdict.target, because, miss.actual)
        alike.setdefault(key, []).append(verdict.index)
    for (kind, target, because, actual), indices in alike.items():
        operators = "operators" if len(indices) > 1 else "operator"
        yield (
            f"{found.model}: {operators} {first_few(indices)} {kind}: predicted {target}, "
            f"{because}; {_DID[actual]}"
        )
    if found.subgraphs != found.truth.subgraphs:
        yield f"{found.model}: subgraphs: {found.subgraphs} predicted, {found.truth.subgraphs} made"


def _listed(heading: str, lines: list[str]) -> list[str]:
    return ["\n".join([f"{heading}:", *(f"  {line}" for line in lines)])] if lines else []


def _totals(found: Score) -> list[tuple[str, str]]:
    totals: dict[str, Any] = found.totals()
    rows = [
        ("models exact", f"{totals['models_exact']} of {totals['models']}"),
        (
            "operators",
            f"{totals['operators_right']:,} of {totals['operators']:,} right, "
            f"{totals['operators_unknown']:,} unknown ({totals['unknown_share']:.1%})",
        ),
    ]
    unknown = totals["parameter_unknown"]
    if totals["parameter_models"]:
        rows.append((
            "parameter bytes",
            f"off by {totals['parameter_error_median']:.2%} in the median, "
            f"{totals['parameter_error_p90']:.2%} at the 90th percentile, "
            f"{totals['parameter_error_worst']:.2%} at worst, over "
            f"{totals['parameter_models']} models above 100 KB; {unknown} more unknown",
        ))  # fmt: skip
    rows += [
        (
            "bounds",
            f"hold the true parameter bytes in {totals['parameter_bounds_right']} of "
            f"{totals['parameter_bounds_models']} models",
        ),
        (
            "streamed",
            f"right within 1% in {totals['streamed_right']} of {totals['streamed_models']} models",
        ),
    ]
    return [*rows, ("evidence", "predicted from X.tflite; the truth is parsed from compiled files")]
