"""Findings in a model, the report that holds them, and their text."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, get_args

from quantline.files import plain
from quantline.results import Origin, check_plain, check_schema, remedy_of
from quantline.results.checks import CheckReport

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Specification = Literal["int8", "uint8", "none"]
"""Specifications to judge by: TensorFlow Lite's 8-bit one, the former one of uint8, or none."""
Severity = Literal["integer_only", "specification", "target", "note"]
"""``integer_only``: breaks the promise that a model is integer-only. ``specification``: breaks
TensorFlow Lite's 8-bit quantization specification. ``target``: breaks the contract of the target
that was asked for. ``note``: breaks nothing."""


@dataclass(frozen=True)
class Finding:
    """One thing found in a model."""

    rule: str  # the id of the rule that was broken, such as `bias.scale`; stable
    severity: Severity  # the promise that it breaks
    subgraph: int  # index
    operator: int | None  # the operator's index in the subgraph; None where a tensor alone is meant
    type: str  # the operator's type such as `CONV_2D`; `TENSOR` or `MODEL` without an operator
    tensor: int | None  # the tensor's index in the subgraph; None where the whole model is meant
    name: str  # the tensor's name; empty without a tensor
    layer: str | None  # the layer of the original model in the name; None without one
    found: str  # the fact that was found
    expected: str  # the demand of the rule
    remedy: str | None = None  # the remedy, as a sentence; None where there is no general one
    # by how many steps of its scale what the operator gives is off, computed from the stored
    # values; None where the rule has no such computation
    effect_steps: float | None = None

    @property
    def breaks_integer_only(self) -> bool:
        """Return whether it is about something that is not an integer, whatever was promised."""
        return self.rule.startswith(("integer.", "custom."))


@dataclass(frozen=True)
class ContractReport:
    """The result of checking a model."""

    integer_only: bool  # True if every tensor is an integer, except a declared float interface
    specification: bool  # True if the model keeps the quantization specification
    held_to: Specification  # the specification that was checked
    target: str | None  # the target's name; None if none was asked for
    holds_target: bool | None  # True if the model keeps its contract; None without a target
    operators: int  # number in all subgraphs
    tensors: int  # number in all subgraphs
    integer_tensors: int
    # indices in the main subgraph of the QUANTIZE and DEQUANTIZE operators at the model's edges
    # that a declared float32 input or output asks for
    interface: tuple[int, ...]
    input_types: tuple[str, ...]  # dtypes of the model's inputs
    output_types: tuple[str, ...]
    findings: tuple[Finding, ...]  # everything found, by severity, subgraph and operator

    @property
    def float_operators(self) -> int:
        """Number of operators that are not known to be integer."""
        broken = [finding for finding in self.findings if finding.breaks_integer_only]
        places = {(finding.subgraph, finding.operator) for finding in broken}
        return sum(operator is not None for _, operator in places)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        target = None if self.target is None else {"name": self.target, "holds": self.holds_target}
        counts = Counter(finding.severity for finding in self.findings)
        return plain(
            self,
            target=target,
            evidence="parsed",
            float_operators=self.float_operators,
            findings_by_severity={option: counts[option] for option in get_args(Severity)},
        )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ContractReport:
        """Return the report that :meth:`to_dict` gave these values of; others are ignored.

        Raises:
            ResultMissing: The values are not those of a report.
        """
        origin = Origin("The report on the model", remedy=remedy_of("validation"))
        check_plain(values, origin)
        check_schema(CheckReport, values, origin)
        own: dict[str, Any] = {
            field.name: tuple(value) if isinstance(value := values[field.name], list) else value
            for field in fields(cls)
            if field.name in values
        }
        target = values["target"] or {"name": None, "holds": None}
        own |= {"target": target["name"], "holds_target": target["holds"]}
        names = {field.name for field in fields(Finding)}
        own["findings"] = tuple(
            Finding(**{name: value for name, value in finding.items() if name in names})
            for finding in values["findings"]
        )
        return cls(**own)


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings in a report's order: by severity, subgraph and operator."""
    order = get_args(Severity)

    def key(finding: Finding) -> tuple[int, int, int]:
        operator = -1 if finding.operator is None else finding.operator
        return order.index(finding.severity), finding.subgraph, operator

    return tuple(sorted(findings, key=key))


SHOWN = 20


def describe(finding: Finding, *, whole_names: bool = True) -> str:
    """Return the place of a finding and its text, a list of names whole or only its first."""
    places = [] if finding.operator is None else [f"operator {finding.operator} {finding.type}"]
    if finding.tensor is not None:
        layer = f" of layer '{finding.layer}'" if finding.layer else ""
        first, *others = finding.name.split(";")
        name = finding.name if whole_names or not others else f"{first};…"
        places.append(f"tensor {finding.tensor} ('{name}'){layer}")
    place = f" in subgraph {finding.subgraph}" if finding.subgraph else ""
    return f"{', '.join(places) or 'the model'}{place}: {finding.found}"


def remedies(findings: Iterable[Finding], last: str) -> str:
    """Return what to do about findings, each remedy once, and what else can be done at last."""
    unique = dict.fromkeys(finding.remedy for finding in findings if finding.remedy)
    return ". ".join([*unique, f"Or {last}" if unique else f"{last[:1].upper()}{last[1:]}"])


def counted(count: int, singular: str, plural: str | None = None) -> str:
    """Return a number with its noun, by default with an s where it is not one."""
    return f"{count} {singular if count == 1 else plural or f'{singular}s'}"


def listed(findings: Iterable[Finding]) -> str:
    """Return how many findings there are of each operator type, and the first in full."""
    ordered = sorted(findings, key=lambda finding: finding.type)
    kinds = Counter(finding.type for finding in ordered)
    counts = ", ".join(f"{kind} {count}" for kind, count in kinds.items())
    shown = "; ".join(describe(finding) for finding in ordered[:SHOWN])
    more = f"; and {len(ordered) - SHOWN} more" if len(ordered) > SHOWN else ""
    return f"({counts}): {shown}{more}"
