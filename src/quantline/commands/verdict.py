"""The report on a model as text: the verdict first, then the findings."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from quantline.arguments import translate
from quantline.contract.finding import SHOWN, counted, describe

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from quantline.contract import ContractReport, Finding
    from quantline.contract.finding import Severity

_HEADINGS: dict[Severity, str] = {
    "integer_only": "Not integer-only",
    "specification": "Against the specification",
    "target": "Against the target",
    "note": "Worth knowing",
}


def verdicts(report: ContractReport) -> list[tuple[str, str]]:
    """Return the verdicts, a name and its value each."""
    rows = [("integer-only", _integers(report)), ("specification", _specification(report))]
    if report.target is not None:
        rows.append((f"target {report.target}", _kept(report, "target")))
    return rows


def _specification(report: ContractReport) -> str:
    if report.held_to == "none":
        return "not checked"
    former = " (the former one, of uint8)" if report.held_to == "uint8" else ""
    return f"{_kept(report, 'specification')}{former}"


def _integers(report: ContractReport) -> str:
    integers = f"{report.integer_tensors} of {report.tensors} tensors are integers"
    if report.integer_only and report.interface:
        return f"inside: {len(report.interface)} operators of a float interface apart; {integers}"
    if report.integer_only:
        return f"yes: {integers}"
    floats = [finding for finding in report.findings if finding.breaks_integer_only]
    allowed = ", as the scheme allows" if floats[0].severity == "note" else ""
    return (
        f"no{allowed}: {report.float_operators} of {report.operators} operators "
        f"({_counts(finding.type for finding in floats)}); {integers}"
    )


def _kept(report: ContractReport, severity: Severity) -> str:
    found = [finding for finding in report.findings if finding.severity == severity]
    if not found:
        return "kept"
    return (
        f"broken: {counted(len(found), 'finding')} ({_counts(finding.rule for finding in found)})"
    )


def findings_text(findings: Iterable[Finding]) -> str:
    """Return findings by severity and operator type, the first of each severity in full."""
    blocks = []
    for severity, heading in _HEADINGS.items():
        some = sorted(
            (finding for finding in findings if finding.severity == severity),
            key=lambda finding: finding.type,
        )
        if some:
            blocks.append(
                "\n".join(
                    [f"{heading} ({_counts(finding.type for finding in some)}):", *_lines(some)]
                )
            )
    return "\n\n".join(blocks)


def _lines(findings: Sequence[Finding]) -> list[str]:
    lines, shown = [], set()
    for finding in findings[:SHOWN]:
        expected = "" if finding.expected in shown else f"; expected: {translate(finding.expected)}"
        shown.add(finding.expected)
        found = translate(describe(finding, whole_names=False))
        lines.append(f"  {finding.rule}: {found}{expected}")
    rest = findings[SHOWN:]
    if rest:
        lines.append(f"  and {len(rest)} more: {_counts(finding.type for finding in rest)}")
    remedies = dict.fromkeys(translate(finding.remedy) for finding in findings if finding.remedy)
    return [*lines, *(f"  -> {remedy}" for remedy in remedies)]


def _counts(names: Iterable[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(Counter(names).items()))
