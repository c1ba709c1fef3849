"""The verdict as text: one line, the rules that stand in the way, and on request all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_IN_THE_WAY = ("failed", "undecided")
_ORDER = (*_IN_THE_WAY, "passed", "skipped")


def gate_text(gate: Mapping[str, Any], *, every_rule: bool = False) -> str:
    """Return a verdict as lines: the verdict itself, then the rules that stand in the way.

    Args:
        gate: The content of ``gate.json``, from :func:`quantline.release.gate.judge`.
        every_rule: Add the rules that passed or were skipped, and the changes against the float
            model and the champion.
    """
    rows = sorted(gate["rules"], key=lambda row: _ORDER.index(row["outcome"]))
    outcomes = [row["outcome"] for row in rows]
    counts = ", ".join(f"{outcomes.count(item)} {item}" for item in _ORDER if item in outcomes)
    champion = f"champion: {gate['champion']}" if gate["champion"] else "no champion"
    lines = [f"{gate['verdict']}: of {len(rows)} rules {counts}; {champion}"]
    if gate["examples_needed"] is not None:
        lines.append(f"{gate['examples_needed']:,} more examples would decide what is undecided")
    lines += [f"what may help: {advice}" for advice in gate.get("advice", [])]
    shown = [row for row in rows if every_rule or row["outcome"] in _IN_THE_WAY]
    first, second = (
        max((len(row[key]) for row in shown), default=0) for key in ("outcome", "rule")
    )
    lines += [
        f"{row['outcome'].ljust(first)}  {row['rule'].ljust(second)}  {row['why']}" for row in shown
    ]
    return "\n".join([*lines, *(_changes(gate) if every_rule else ())])


def _changes(gate: Mapping[str, Any]) -> list[str]:
    lines = []
    for section, change in sorted(gate["changes"].items()):
        if change is not None:
            lost, won = len(change["lost"]), len(change["won"])
            name = section.replace("_", " ")
            lines.append(f"{name}: {lost} of {change['examples']:,} examples lost, {won} won")
    drift = gate["range_drift"]
    if drift is not None and drift["tensors"] is None:
        lines.append(f"ranges: {drift['why']}")
    elif drift is not None and drift["tensors"]:
        worst = drift["tensors"][0]
        steps = max(worst["min_steps"], worst["max_steps"], key=abs)
        lines.append(
            f"ranges: the one that moved most since the champion is that of '{worst['name']}', by "
            f"{steps:+.1f} int8 steps"
        )
    return lines
