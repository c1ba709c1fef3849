"""The part of a prediction that rests on few compiled models, as text."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from quantline.edgetpu import Evidence, Placement, Provenance
from quantline.edgetpu.cost.rules import COUNTED, FEW, total
from quantline.errors import first_few
from quantline.tables import size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quantline.edgetpu import EdgeTpuReport, OperatorVerdict
    from quantline.edgetpu.cost.rules import Part, Rule

_KNOWN = {
    Provenance.DOCUMENTED: "documented",
    Provenance.PARSED: "seen in compiled models",
    Provenance.REPORTED: "reported by a user",
    Provenance.MEMORY: "not confirmed",
}


def provenance_text(verdict: OperatorVerdict) -> str:
    """Return how the rule is known that decided on an operator."""
    how, count = _KNOWN[verdict.provenance], verdict.seen_in_models
    few = verdict.provenance is Provenance.PARSED and count is not None and count < FEW
    return f"{how}, in {count} of {COUNTED}" if few else how


def few_seen(found: EdgeTpuReport) -> Iterator[str]:
    """Return what rests on rules seen in fewer than ``FEW`` models, by rule.

    Args:
        found: An evaluation; nothing is predicted of a compiled model.
    """
    if found.evidence is Evidence.PARSED:
        return
    alike: dict[tuple[str, str, int], list[int]] = defaultdict(list)
    for operator in found.report.operators:
        if operator.target is Placement.EDGETPU and (operator.seen_in_models or 0) < FEW:
            alike[operator.type, _KNOWN[operator.provenance], operator.seen_in_models or 0].append(
                operator.index
            )
    for (kind, provenance, count), indices in alike.items():
        yield f"{first_few(indices)} {kind}: mapped ({provenance}, in {count} of them)"
    by_rule: dict[Rule, list[tuple[int, Part]]] = defaultdict(list)
    for index, parts in found.parameter_parts.items():
        for part in parts:
            if part.low < part.high:
                by_rule[part.rule].append((index, part))
    for rule, pieces in by_rule.items():
        whole = total(part for _, part in pieces)
        operators = first_few(sorted({index for index, _ in pieces}))
        yield (
            f"{operators}: {size(whole.low)} to {size(whole.high)} of parameters, "
            f"{size(whole.bytes)} expected: {rule.name} (seen in {rule.seen_in_models})\n"
            f"{rule.mechanism}"
        )
