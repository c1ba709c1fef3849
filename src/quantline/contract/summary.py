"""Findings as text for people: each by its place, many by their counts and the first few."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quantline.contract.finding import Finding

SHOWN = 20


def line(finding: Finding, *, whole_names: bool = True) -> str:
    """Return where a finding is and what was found there.

    Args:
        finding: The finding.
        whole_names: Whether a list of names, such as a fused operator has, is given whole, or only
            its first.
    """
    places = [] if finding.operator is None else [f"operator {finding.operator} {finding.type}"]
    if finding.tensor is not None:
        layer = f" of layer '{finding.layer}'" if finding.layer else ""
        first, *others = finding.name.split(";")
        name = finding.name if whole_names or not others else f"{first};…"
        places.append(f"tensor {finding.tensor} ('{name}'){layer}")
    where = f" in subgraph {finding.subgraph}" if finding.subgraph else ""
    return f"{', '.join(places) or 'the model'}{where}: {finding.found}"


def remedies(findings: Iterable[Finding], last: str) -> str:
    """Return what to do about findings, each remedy once, and what else can be done at last."""
    unique = dict.fromkeys(finding.remedy for finding in findings if finding.remedy)
    return ". ".join([*unique, f"Or {last}" if unique else f"{last[:1].upper()}{last[1:]}"])


def counted(count: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun, by default with an s where it is not one."""
    return f"{count} {one if count == 1 else many or f'{one}s'}"


def listed(findings: Iterable[Finding]) -> str:
    """Return how many findings there are of each operator type, and the first in full."""
    ordered = sorted(findings, key=lambda finding: finding.type)
    counts = ", ".join(
        f"{kind} {n}" for kind, n in Counter(finding.type for finding in ordered).items()
    )
    shown = "; ".join(line(finding) for finding in ordered[:SHOWN])
    more = f"; and {len(ordered) - SHOWN} more" if len(ordered) > SHOWN else ""
    return f"({counts}): {shown}{more}"
