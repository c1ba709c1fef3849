"""The predicted mapping of a model: a verdict on each operator, and on the whole."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from quantline.edgetpu.vocabulary import Placement, Provenance, Status, plain


@dataclass(frozen=True)
class OperatorVerdict:
    """The verdict on one operator of the main subgraph."""

    index: int  # its number in the subgraph
    type: str  # the schema's name such as `CONV_2D`, or a custom operator's own
    name: str  # the name of its first output tensor; empty where it has none
    target: Placement
    status: Status  # its status, in the compiler's own wording where there is one
    rule: str  # the rule that decided
    provenance: Provenance  # the rule's source
    # in how many independent compiled models it was seen to hold; None where the graph decides, and
    # not the operator
    seen_in_models: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain data."""
        return plain(self)


@dataclass(frozen=True)
class MappingReport:
    """The verdict on a model."""

    # one verdict an operator of the main subgraph, in their order
    operators: tuple[OperatorVerdict, ...]
    # Edge TPU subgraphs as compiled for, where operators of unknown mapping stay on the CPU
    subgraphs: int
    subgraphs_default: int  # as many without `--enable_multiple_subgraphs`: 0 or 1
    subgraphs_multiple: int  # as many with it
    runtime_version: int  # the Edge TPU runtime that the verdict is for
    evidence: str = "predicted"  # the basis of the report

    @property
    def operators_total(self) -> int:
        """Number of operators that run: dead ones do not count."""
        return len(self.operators) - self._count(Placement.DEAD)

    @property
    def mapped_operators(self) -> int:
        """Number of operators that run on the Edge TPU."""
        return self._count(Placement.EDGETPU)

    @property
    def unknown_operators(self) -> int:
        """Number of operators of unknown mapping."""
        return self._count(Placement.UNKNOWN)

    @property
    def mapped_share(self) -> float:
        """Mapped operators over all that run, from 0 to 1; 0 where none runs."""
        return self.mapped_operators / self.operators_total if self.operators_total else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data, ready for JSON.

        ``reasons`` counts the operators that run but are not mapped, by status and type, the most
        frequent first.
        """
        return {
            "evidence": self.evidence,
            "mapped_operators": self.mapped_operators,
            "mapped_share": self.mapped_share,
            "operators": [operator.to_dict() for operator in self.operators],
            "operators_total": self.operators_total,
            "reasons": self._reasons(),
            "runtime_version": self.runtime_version,
            "subgraphs": self.subgraphs,
            "subgraphs_default": self.subgraphs_default,
            "subgraphs_multiple": self.subgraphs_multiple,
            "unknown_operators": self.unknown_operators,
        }

    def _count(self, target: Placement) -> int:
        return sum(operator.target is target for operator in self.operators)

    def _reasons(self) -> list[dict[str, Any]]:
        counts = Counter(
            (str(operator.status), operator.type, str(operator.target))
            for operator in self.operators
            if operator.target in (Placement.CPU, Placement.UNKNOWN)
        )
        rows = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        return [
            {"count": count, "status": status, "target": target, "type": kind}
            for (status, kind, target), count in rows
        ]
