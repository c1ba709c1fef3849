"""The check of a result against the schema of its kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from quantline.errors import ParameterError, suggest
from quantline.results import checks, edgetpu, examples, models, scores, verdicts
from quantline.results.parse import (
    MOST_BYTES,
    Origin,
    at,
    check_plain,
    parse_json,
    read_bytes,
    shown,
)

if TYPE_CHECKING:
    from pathlib import Path

    from quantline.results.fields import Part

_KINDS = {
    "model_type": "a mapping", "dict_type": "a mapping", "list_type": "a list",
    "string_type": "text", "int_type": "a whole number", "float_type": "a number",
    "bool_type": "true or false",
}  # fmt: skip
_COMPARE = "pipelines=compare"
_TABLE = "pipelines=compare_report"

SCHEMAS: dict[str, tuple[type[Part], str]] = {
    "manifest": (examples.Manifest, "from_nodes=draw_examples"),
    "training": (models.Training, "pipelines=training"),
    "float_import": (models.FloatImport, "from_nodes=import_model"),
    "metrics": (scores.Metrics, "from_nodes=predict_float,predict_int8"),
    "float_latency": (scores.FloatLatency, "from_nodes=time_float"),
    "preflight": (checks.Preflight, "from_nodes=predict_unquantizable"),
    "calibration_lint": (examples.CalibrationLint, "from_nodes=lint_calibration"),
    "calibration_report": (examples.CalibrationReport, "from_nodes=check_convergence"),
    "ranges": (models.StoredRanges, "from_nodes=record_ranges"),
    "recipe": (models.Recipe, "from_nodes=convert"),
    "validation": (checks.Validation, "from_nodes=check_tensors"),
    "integer_only": (checks.IntegerOnly, "from_nodes=enforce_contract"),
    "golden_report": (checks.GoldenReport, "from_nodes=check_golden"),
    "kernels": (checks.Kernels, "from_nodes=measure_kernels"),
    "layers": (checks.Layers, "from_nodes=measure_layers"),
    "comparison": (scores.Comparison, "from_nodes=compare_models"),
    "latency": (scores.Latency, "from_nodes=time_models"),
    "edgetpu_report": (edgetpu.EdgeTpuReport, "from_nodes=predict_edgetpu"),
    "edgetpu_latency": (edgetpu.EdgeTpuLatency, "from_nodes=predict_edgetpu"),
    "edgetpu_compilation": (edgetpu.EdgeTpuCompilation, "from_nodes=compile_edgetpu"),
    "edgetpu_run": (edgetpu.EdgeTpuRun, "from_nodes=run_edgetpu"),
    "champion": (verdicts.ChampionFile, "from_nodes=fetch_champion"),
    "champion_latency": (scores.ChampionLatency, "from_nodes=time_champion"),
    "gate": (verdicts.Gate, "from_nodes=judge_candidate"),
    "summary": (verdicts.Summary, "from_nodes=write_summary"),
    "key_figures": (verdicts.KeyFigures, "from_nodes=write_summary"),
    "release": (verdicts.Released, "from_nodes=release"),
    "compared_recipe": (models.ComparedRecipe, _COMPARE),
    "compared_metrics": (scores.ComparedMetrics, _COMPARE),
    "compared_latency": (scores.ComparedLatency, _TABLE),
    "compared": (scores.Compared, _TABLE),
}
"""Each kind of JSON result: its schema, and the part of the pipeline that makes it anew."""


def remedy_of(kind: str) -> str:
    """Return how to make a result of this kind again, as a sentence."""
    return f"Run the pipeline with `{SCHEMAS[kind][1]}`, which writes it anew"


def check_result(kind: str, values: Any, origin: Origin | str | Path) -> Any:
    """Check that values are what a result of this kind has.

    Raises:
        QuantlineError: A key is missing, or a value is of another type; of a stage's file a
            ResultMissing.
    """
    if not isinstance(origin, Origin):
        origin = Origin.of_stage(origin, remedy_of(kind))
    check_plain(values, origin)
    check_schema(SCHEMAS[kind][0], values, origin)
    return values


def check_schema(schema: type[Part], values: Any, origin: Origin) -> None:
    """Check values against one schema."""
    if not isinstance(values, dict):
        raise origin.unreadable(f"{shown(values)} {at(())}", "a mapping")
    try:
        schema.model_validate(values)
    except ValidationError as error:
        raise _explained(error, origin) from error
    except OverflowError as error:  # a whole number that no float can hold
        raise origin.damaged(error) from error


def read_result(kind: str, content: bytes, origin: Origin | str | Path) -> Any:
    """Parse a result and check it; see :func:`check_result`."""
    if not isinstance(origin, Origin):
        origin = Origin.of_stage(origin, remedy_of(kind))
    return check_result(kind, parse_json(content, origin), origin)


def load_result(kind: str, path: Path, origin: Origin | None = None) -> Any:
    """Read a file and check it; see :func:`check_result`."""
    origin = origin or Origin.of_stage(path, remedy_of(kind))
    return read_result(kind, read_bytes(path, origin, MOST_BYTES), origin)


def check_kind(kind: str, known: list[str], owner: str) -> None:
    """Refuse the name of a schema that does not exist."""
    if kind not in known:
        raise ParameterError(
            f"{owner} names a schema that does not exist",
            found=f"'{kind}'",
            expected=f"one of {', '.join(known)}",
            remedy=suggest(kind, known) or "Correct 'schema' in its catalog entry, or remove it",
        )


def _explained(error: ValidationError, origin: Origin) -> Exception:
    problems = error.errors(include_url=False, include_context=False)
    first = problems[0]
    # Names of alternatives that were tried stand in the place too; keys and numbers are the file's.
    place = tuple(first["loc"])
    more = f" ({len(problems) - 1} more mistakes in it)" if len(problems) > 1 else ""
    if first["type"] == "missing":
        return origin.unreadable(
            f"no key {shown(str(place[-1]))} {at(place[:-1])}{more}", "a value for this key"
        )
    if first["type"] == "extra_forbidden":
        return origin.unreadable(f"an unknown key {at(place)}{more}", "keys that are known")
    said = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    expected = _KINDS.get(first["type"], said)
    return origin.unreadable(f"{shown(first['input'])} {at(place)}{more}", expected)
