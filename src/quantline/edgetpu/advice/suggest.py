"""Suggested changes that put more of a model on the Edge TPU, each with its predicted gain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quantline.edgetpu.advice import remedies
from quantline.edgetpu.advice.obstacles import Obstacle, obstacles
from quantline.edgetpu.cost.work import macs
from quantline.edgetpu.mapping.operators import NEWEST_RUNTIME
from quantline.edgetpu.mapping.partition import find_reasons, live_operators, select_compiled
from quantline.edgetpu.mapping.requirements import is_compiled
from quantline.edgetpu.vocabulary import Evidence, Reason
from quantline.files import plain

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from quantline.tflite.graph import Graph, Operator, Subgraph


@dataclass(frozen=True)
class Suggestion:
    """One change of a model, and its gain."""

    type: str  # the type of the operators to replace; more than one are joined by commas
    operators: tuple[int, ...]
    reason: str  # the rule that keeps them on the CPU
    advice: str  # the change, as a sentence
    source: str  # the source of the advice
    moved_operators: int  # operators that leave the CPU by it
    moved_share_macs: float  # multiply-accumulates that do, over all of the model, from 0 to 1
    mapped_operators: int  # operators on the Edge TPU after it
    mapped_share_macs: float  # their multiply-accumulates over all of the model, from 0 to 1

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain data."""
        return plain(self, evidence=Evidence.PREDICTED)


def suggest(
    graph: Graph, runtime_version: int = NEWEST_RUNTIME, multiple_subgraphs: bool = False
) -> tuple[Suggestion, ...]:
    """Suggest the changes that put more of a model on the Edge TPU, the worst obstacle first.

    The gain of a change comes from predicting the mapping again with the operators in question
    counted as mapped. Each change is on top of those before it, since an operator behind
    another obstacle gains nothing alone. Changes without a gain are left out. Last, and on top of
    no other, comes compiling with multiple subgraphs, where that maps more.

    Args:
        graph: The model, before compilation; of a compiled one there is nothing to suggest.
        runtime_version: The Edge TPU runtime to compile for, 10 to 14.
        multiple_subgraphs: True if it is compiled with ``--enable_multiple_subgraphs`` already.
    """
    live = live_operators(graph.main)
    if any(map(is_compiled, live)):
        return ()
    work = {operator.index: macs(operator, graph.main.tensors) for operator in live}
    options = _Options(live, runtime_version, multiple_subgraphs)
    reasons = find_reasons(graph.main, runtime_version)
    start = state = _State(graph.main, frozenset(), reasons, options.mapped(reasons))
    found = []
    while pending := obstacles(live, state.subgraph, state.reasons):
        # A model that the compiler refuses, or that is not quantized, gains nothing before that.
        first = [obstacle for obstacle in pending if obstacle.reason.refuses_model]
        first = first or [obstacle for obstacle in pending if obstacle.remedy is remedies.QUANTIZED]
        outcomes = [(obstacle, options.changed(state, obstacle)) for obstacle in first or pending]
        obstacle, after = max(outcomes, key=lambda outcome: _size(work, outcome[1].mapped))
        if not first and len(after.mapped) <= len(state.mapped):
            break
        operators = tuple(operator.index for operator in obstacle.operators)
        reason, remedy = obstacle.reason.rule, vars(obstacle.remedy)
        gain = _gain(work, state.mapped, after.mapped)
        found.append(Suggestion(obstacle.kind, operators, reason, **remedy, **gain))
        state = after
    several = select_compiled(live, reasons, multiple_subgraphs=True).sure
    if len(several) > len(start.mapped):
        rule = "only the first group of supported operators is compiled"
        gain = _gain(work, start.mapped, several)
        found.append(Suggestion("", (), rule, **vars(remedies.MULTIPLE), **gain))
    return tuple(found)


@dataclass(frozen=True)
class _State:
    """A model after some changes: its subgraph, replaced operators, reasons and mapping."""

    subgraph: Subgraph
    replaced: frozenset[int]
    reasons: Mapping[int, Reason | None]
    mapped: frozenset[int]


@dataclass(frozen=True)
class _Options:
    """The conditions that a mapping is predicted for."""

    live: Sequence[Operator]
    runtime_version: int
    multiple_subgraphs: bool

    def mapped(self, reasons: Mapping[int, Reason | None]) -> frozenset[int]:
        return select_compiled(self.live, reasons, self.multiple_subgraphs).sure

    def changed(self, state: _State, obstacle: Obstacle) -> _State:
        replaced = state.replaced | obstacle.replaced
        reasons = state.reasons
        if obstacle.subgraph is not state.subgraph:
            reasons = find_reasons(obstacle.subgraph, self.runtime_version)
        reasons = {**reasons, **dict.fromkeys(replaced)}
        return _State(obstacle.subgraph, replaced, reasons, self.mapped(reasons))


def _gain(
    work: Mapping[int, int], before: Collection[int], after: Collection[int]
) -> dict[str, Any]:
    """Return the last four fields of a suggestion."""
    # Where nothing multiplies, there is no share of it.
    total = sum(work.values()) or 1
    done, count = _size(work, after)
    done_before, count_before = _size(work, before)
    return {
        "moved_operators": count - count_before,
        "moved_share_macs": (done - done_before) / total,
        "mapped_operators": count,
        "mapped_share_macs": done / total,
    }


def _size(work: Mapping[int, int], operators: Collection[int]) -> tuple[int, int]:
    return sum(work[index] for index in operators), len(operators)
