"""What to change in a model so that more of it runs on the Edge TPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quantline.edgetpu import remedies
from quantline.edgetpu.mapping import compiled, judge_all
from quantline.edgetpu.obstacles import obstacles
from quantline.edgetpu.operators import NEWEST_RUNTIME
from quantline.edgetpu.partition import live_operators
from quantline.edgetpu.requirements import is_compiled
from quantline.edgetpu.vocabulary import Evidence
from quantline.edgetpu.work import macs

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from quantline.edgetpu.obstacles import Obstacle
    from quantline.edgetpu.vocabulary import Reason
    from quantline.tflite.graph import Graph, Subgraph


@dataclass(frozen=True)
class Suggestion:
    """One change of a model, and what it brings.

    Attributes:
        type: The type of the operators to replace; more than one are joined by commas.
        operators: Their indices.
        reason: The rule that keeps them on the CPU.
        advice: What to write instead, or how to compile.
        source: Where the advice is read.
        moved_operators: Operators that leave the CPU by it.
        moved_share_macs: Multiply-accumulates that do, over all of the model, from 0 to 1.
        mapped_operators: Operators on the Edge TPU after it.
        mapped_share_macs: Their multiply-accumulates over all of the model, from 0 to 1.
    """

    type: str
    operators: tuple[int, ...]
    reason: str
    advice: str
    source: str
    moved_operators: int
    moved_share_macs: float
    mapped_operators: int
    mapped_share_macs: float

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain data."""
        return {
            "advice": self.advice,
            "evidence": str(Evidence.PREDICTED),
            "mapped_operators": self.mapped_operators,
            "mapped_share_macs": self.mapped_share_macs,
            "moved_operators": self.moved_operators,
            "moved_share_macs": self.moved_share_macs,
            "operators": list(self.operators),
            "reason": self.reason,
            "source": self.source,
            "type": self.type,
        }


def suggest(
    graph: Graph, runtime_version: int = NEWEST_RUNTIME, multiple_subgraphs: bool = False
) -> tuple[Suggestion, ...]:
    """Suggest the changes that put more of a model on the Edge TPU, the worst obstacle first.

    The gain of a change is not guessed: the mapping is predicted again with the operators in
    question counted as mapped. Each change is on top of those before it, since an operator behind
    another obstacle gains nothing alone. What brings nothing is left out. Last, and on top of no
    other, comes compiling with multiple subgraphs, where that maps more.

    Args:
        graph: The model, before compilation; of a compiled one there is nothing to suggest.
        runtime_version: The Edge TPU runtime to compile for, 10 to 14.
        multiple_subgraphs: Whether it is compiled with ``--enable_multiple_subgraphs`` already.
    """
    live = live_operators(graph.main)
    if any(is_compiled(each) for each in live):
        return ()
    work = {each.index: macs(each, graph.main.tensors) for each in live}

    def taken(reasons: Mapping[int, Reason | None]) -> frozenset[int]:
        return compiled(live, reasons, multiple_subgraphs).sure

    reasons = own = judge_all(graph.main, runtime_version)
    mapped = start = taken(reasons)
    subgraph, settled = graph.main, frozenset[int]()
    found = []
    while pending := obstacles(live, subgraph, reasons):
        # A model that the compiler refuses, or that is not quantized, gains nothing before that.
        first = [each for each in pending if each.reason.refuses_model]
        first = first or [each for each in pending if each.remedy is remedies.QUANTIZED]
        outcomes = []
        for each in first or pending:
            after = _after(each, settled, reasons, subgraph, runtime_version)
            outcomes.append((each, after, taken(after)))
        obstacle, after, now = max(
            outcomes, key=lambda each: (sum(work[index] for index in each[2]), len(each[2]))
        )
        if not first and len(now) <= len(mapped):
            break
        found.append(
            Suggestion(
                type=obstacle.kind,
                operators=tuple(each.index for each in obstacle.operators),
                reason=obstacle.reason.rule,
                advice=obstacle.remedy.advice,
                source=obstacle.remedy.source,
                **_gain(work, mapped, now),
            )
        )
        subgraph, settled = obstacle.subgraph, settled | obstacle.settled
        reasons, mapped = after, now
    several = compiled(live, own, multiple_subgraphs=True).sure
    if len(several) > len(start):
        found.append(
            Suggestion(
                type="",
                operators=(),
                reason="only the first group of supported operators is compiled",
                advice=remedies.MULTIPLE.advice,
                source=remedies.MULTIPLE.source,
                **_gain(work, start, several),
            )
        )
    return tuple(found)


def _after(
    obstacle: Obstacle,
    settled: frozenset[int],
    reasons: Mapping[int, Reason | None],
    subgraph: Subgraph,
    runtime_version: int,
) -> dict[int, Reason | None]:
    if obstacle.subgraph is subgraph:
        return {**reasons, **dict.fromkeys(obstacle.settled)}
    judged = judge_all(obstacle.subgraph, runtime_version)
    return {**judged, **dict.fromkeys(settled | obstacle.settled)}


def _gain(
    work: Mapping[int, int], before: Collection[int], after: Collection[int]
) -> dict[str, Any]:
    total = sum(work.values())
    done = sum(work[index] for index in after)
    moved = done - sum(work[index] for index in before)
    return {
        "moved_operators": len(after) - len(before),
        "moved_share_macs": moved / total if total else 0.0,
        "mapped_operators": len(after),
        "mapped_share_macs": done / total if total else 0.0,
    }
