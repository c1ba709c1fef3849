"""The prediction of a model's mapping to the Edge TPU, from the ``.tflite`` file alone.

There is a verdict on each operator, and one on the whole.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quantline.edgetpu.mapping.operators import (
    NEWEST_RUNTIME,
    TABLE,
    check_runtime,
    limitation_of,
)
from quantline.edgetpu.mapping.partition import (
    CompiledGroups,
    find_reasons,
    live_operators,
    refusal,
    select_compiled,
)
from quantline.edgetpu.mapping.requirements import is_compiled
from quantline.edgetpu.mapping.seen import is_documented, kind, seen_in_models
from quantline.edgetpu.vocabulary import Placement, Provenance, Reason, Status
from quantline.files import plain

if TYPE_CHECKING:
    from quantline.tflite.graph import Graph, Operator, Subgraph


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
    seen_in_models: int | None = None  # independent compiled ones; None if the graph decides


@dataclass(frozen=True)
class MappingReport:
    """The verdict on a model."""

    operators: tuple[OperatorVerdict, ...]  # one a main operator, in their order
    subgraphs: int  # Edge TPU subgraphs as compiled for, operators of unknown mapping left out
    subgraphs_default: int  # as many without `--enable_multiple_subgraphs`: 0 or 1
    subgraphs_multiple: int  # as many with it
    runtime_version: int  # the Edge TPU runtime that the verdict is for
    evidence: str = "predicted"  # the basis of the report

    @property
    def operators_total(self) -> int:
        """Number of operators that run: dead ones do not count."""
        return len(self.operators) - len(self.indices(Placement.DEAD))

    @property
    def mapped_operators(self) -> int:
        """Number of operators that run on the Edge TPU."""
        return len(self.indices(Placement.EDGETPU))

    @property
    def unknown_operators(self) -> int:
        """Number of operators of unknown mapping."""
        return len(self.indices(Placement.UNKNOWN))

    @property
    def mapped_share(self) -> float:
        """Mapped operators over all that run, from 0 to 1; 0 where none runs."""
        return self.mapped_operators / self.operators_total if self.operators_total else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data, ready for JSON.

        ``reasons`` counts the operators that run but are not mapped, by status and type, the most
        frequent first.
        """
        counted = ("mapped_operators", "mapped_share", "operators_total", "unknown_operators")
        counts = {name: getattr(self, name) for name in counted}
        return plain(self, reasons=self._reasons(), **counts)

    def indices(self, *targets: Placement) -> list[int]:
        """Return the indices of the operators in these places."""
        return [operator.index for operator in self.operators if operator.target in targets]

    def _reasons(self) -> list[dict[str, Any]]:
        places = (Placement.CPU, Placement.UNKNOWN)
        left = [item for item in self.operators if item.target in places]
        counts = Counter((str(item.status), item.type, str(item.target)) for item in left)
        rows = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        return [
            {"count": count, "status": status, "target": target, "type": kind}
            for (status, kind, target), count in rows
        ]


_STRANDED = Reason(Status.ONE_SUBGRAPH,
    "only the first group of supported operators is compiled", Provenance.PARSED)  # fmt: skip
_DEPENDS = Reason(Status.DEPENDS,
    "whether it is in the first compiled group depends on operators of unknown mapping",
    Provenance.PARSED, Placement.UNKNOWN)  # fmt: skip
_COMPILED = Reason(Status.COMPILED, "a compiled group of operators, which cannot be seen singly",
    Provenance.PARSED, Placement.EDGETPU)  # fmt: skip
_UNREACHABLE = Reason(
    Status.UNREACHABLE, "no output depends on the operator", Provenance.PARSED, Placement.DEAD
)


def predict(
    graph: Graph, runtime_version: int = NEWEST_RUNTIME, multiple_subgraphs: bool = False
) -> MappingReport:
    """Predict for each operator of a model whether the Edge TPU compiler maps it.

    The prediction follows Coral's operator table and requirements, the evidence of compiled
    models, and TensorFlow Lite's partition. Where those do not decide, it says ``unknown``.
    It foresees neither the compiler's internal errors nor its failures for want of memory.

    Args:
        graph: The model. Of a compiled one it repeats what the compiler decided.
        runtime_version: The Edge TPU runtime to compile for, 10 to 14
            (``--min_runtime_version``).
        multiple_subgraphs: True as with ``--enable_multiple_subgraphs``.

    Raises:
        ParameterError: There is no such runtime version.
    """
    found = str(runtime_version)
    check_runtime(runtime_version, found=found, remedy=f"Leave it at {NEWEST_RUNTIME}")
    subgraph = graph.main
    live = live_operators(subgraph)
    reasons = find_reasons(subgraph, runtime_version)
    done = frozenset(operator.index for operator in live if is_compiled(operator))
    if done:
        default = multiple = CompiledGroups(done, done, len(done))
    else:
        default = select_compiled(live, reasons, multiple_subgraphs=False)
        multiple = select_compiled(live, reasons, multiple_subgraphs=True)
    chosen = multiple if multiple_subgraphs else default
    refused = None if done else refusal(live, reasons)
    verdicts = []
    for operator in subgraph.operators:
        if operator.index not in reasons:
            reason = _UNREACHABLE
        elif operator.index in done:
            reason = _COMPILED
        else:
            reason = _explain(operator, reasons[operator.index], chosen, refused)
        verdicts.append(_verdict(operator, subgraph, reason, runtime_version))
    return MappingReport(
        operators=tuple(verdicts),
        subgraphs=chosen.subgraphs,
        subgraphs_default=default.subgraphs,
        subgraphs_multiple=multiple.subgraphs,
        runtime_version=runtime_version,
    )


def _explain(
    operator: Operator,
    own: Reason | None,
    mapping: CompiledGroups,
    refused: tuple[Operator, Reason] | None,
) -> Reason:
    if own is not None and own.target is Placement.CPU:
        return own
    if refused is not None:
        refusing, reason = refused
        of = f"what operator {refusing.index} {refusing.type} breaks: {reason.rule}"
        rule = f"the compiler refuses models for {of}"
        return Reason(Status.REFUSED, rule, reason.provenance, Placement.UNKNOWN)
    if operator.index not in mapping.possible:
        return _STRANDED
    if own is not None:
        return own
    if operator.index not in mapping.sure:
        return _DEPENDS
    kind = operator.type
    return Reason(Status.MAPPED, limitation_of(kind), TABLE[kind].provenance, Placement.EDGETPU)


def _verdict(
    operator: Operator, subgraph: Subgraph, reason: Reason, runtime_version: int
) -> OperatorVerdict:
    special = kind(operator, subgraph.tensors, reason.target)
    documented = reason.status is not Status.MAPPED or is_documented(special, runtime_version)
    return OperatorVerdict(
        index=operator.index,
        type=operator.type,
        name=subgraph.tensors[operator.outputs[0]].name if operator.outputs else "",
        target=reason.target,
        status=reason.status,
        rule=reason.rule,
        provenance=reason.provenance if documented else Provenance.PARSED,
        seen_in_models=seen_in_models(special, reason.status),
    )
