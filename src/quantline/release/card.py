"""The card of a model version: its results as Markdown, made from them alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quantline.redaction import redacted
from quantline.report.table import summary_rows
from quantline.tasks import DEFAULT, TASKS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

NOTE = "mlflow.note.content"  # MLflow's tag of the description of a run or a logged model
_LIMIT = 5000  # characters of a description; a database refuses a longer one
_CUT = "\n\n(cut here; gate.json has the rest)"
_CAPTION = "±: the wider side of the 95 % interval; in brackets: 10th and 90th percentile."


def card(model: str, read: Mapping[str, Any]) -> str:
    """Return the card of a candidate.

    Args:
        model: The registered model's name.
        read: What is in ``summary.json``, ``manifest.json`` and ``gate.json``.
    """
    text = redacted("\n".join(_lines(model, read)))
    return text if len(text) <= _LIMIT else text[: _LIMIT - len(_CUT)] + _CUT


def _lines(model: str, read: Mapping[str, Any]) -> Iterator[str]:
    summary, gate = read["summary"], read["gate"]
    task = TASKS[summary["int8"].get("task", DEFAULT.name)]
    version = gate.get("champion_version")
    against = "no champion" if version is None else f"version {version}, the champion,"
    yield f"# {model}, quantized"
    yield ""
    yield f"- Task: {task.name}, {task.summary}"
    yield f"- Data: {_data(read['manifest'])}"
    outcomes = ("failed", "undecided", "skipped")
    counts = ", ".join(f"{summary['gate'][name]} {name}" for name in outcomes)
    yield (
        f"- Verdict: **{gate['verdict']}**, with {against} to compare with; "
        f"{summary['gate']['rules']} rules, {counts}"
    )
    yield ""
    yield from _table(("", "float", "int8", "change", "evidence"), summary_rows(summary))
    yield ""
    yield _CAPTION
    if gate["reasons"]:
        yield ""
        yield "Rules that it did not pass:"
        yield ""
        yield from (f"- {reason}" for reason in gate["reasons"])


def _data(manifest: Mapping[str, Any]) -> str:
    dataset = manifest["dataset"]
    name = " ".join(str(part) for part in (dataset["name"], dataset.get("version")) if part)
    measured, calibrated = manifest["evaluation"], manifest["calibration"]
    return (
        f"{name}; evaluated on {len(measured['examples']):,} examples of `{measured['split']}`, "
        f"calibrated on {len(calibrated['examples']):,} of `{calibrated['split']}`"
    )


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield _row(headings)
    yield _row(["---"] * len(headings))
    above = ""
    for label, *cells in rows:
        above = above if label.startswith(" ") else label
        whole = label if above == label else f"{above}, {label.strip()}"  # Markdown indents nothing
        yield _row([" ".join(cell.split()).replace("|", "\\|") for cell in (whole, *cells)])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
