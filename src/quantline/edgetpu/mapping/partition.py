"""The operators that are compiled together: TensorFlow Lite's partition of a graph.

The compiler applies TensorFlow Lite's ``PartitionGraphIntoIndependentNodeSubsets``
(``tensorflow/lite/graph_info.cc``) and compiles the first supported subset, or every one with
``--enable_multiple_subgraphs``. "Everything after the first unsupported operator runs on the CPU"
is a simplification: what does not depend on that operator may still be in the first subset.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quantline.edgetpu.mapping.requirements import find_reason
from quantline.edgetpu.vocabulary import Placement, Reason

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from quantline.tflite.graph import Operator, Subgraph


@dataclass(frozen=True)
class Subset:
    """Operators that run together, on one side."""

    supported: bool
    operators: tuple[int, ...]  # indices, in the order in which they became ready


def live_operators(subgraph: Subgraph) -> tuple[Operator, ...]:
    """Return the operators that some output of the subgraph needs, in their order.

    Operators without outputs are kept: they are there for what they do to a variable.
    """
    needed = set(subgraph.outputs)
    found = []
    for operator in reversed(subgraph.operators):
        if not operator.outputs or needed.intersection(operator.outputs):
            found.append(operator)
            needed.update(operator.inputs)
    return tuple(reversed(found))


def partition(operators: Sequence[Operator], supported: Collection[int]) -> list[Subset]:
    """Split live operators into subsets that can run one after the other, each on one side.

    The first operator that is ready decides the side of a subset; the subset then takes all
    operators of that side that are ready or become so through it.
    """
    supported = frozenset(supported)
    pending = {output for operator in operators for output in operator.outputs}
    waiting = list(operators)
    subsets: list[Subset] = []
    while waiting:
        side: bool | None = None
        taken: list[int] = []
        moved = True
        while moved:
            moved = False
            left = []
            for operator in waiting:
                is_supported = operator.index in supported
                ready = pending.isdisjoint(operator.inputs)
                if ready and side in (None, is_supported):
                    side = is_supported
                    taken.append(operator.index)
                    pending.difference_update(operator.outputs)
                    moved = True
                else:
                    left.append(operator)
            waiting = left
        if side is None:
            # A cycle: nothing is ever ready, and the interpreter would refuse the model.
            break
        subsets.append(Subset(side, tuple(taken)))
    return subsets


@dataclass(frozen=True)
class CompiledGroups:
    """The operators that are compiled for the Edge TPU."""

    sure: frozenset[int]  # indices of those that surely are
    possible: frozenset[int]  # indices of those that may be, the sure ones included
    subgraphs: int  # their number, where operators of unknown mapping stay on the CPU


def find_reasons(subgraph: Subgraph, runtime_version: int) -> dict[int, Reason | None]:
    """Return the reason why each live operator alone is not mapped, or None, by index."""
    live = live_operators(subgraph)
    return {found.index: find_reason(found, subgraph, runtime_version) for found in live}


def refusal(
    live: Sequence[Operator], reasons: Mapping[int, Reason | None]
) -> tuple[Operator, Reason] | None:
    """Return the first operator for which the compiler refuses the whole model, and the reason."""
    for operator in live:
        reason = reasons[operator.index]
        if reason is not None and reason.refuses_model:
            return operator, reason
    return None


def select_compiled(
    live: Sequence[Operator], reasons: Mapping[int, Reason | None], multiple_subgraphs: bool
) -> CompiledGroups:
    """Select the operators that the compiler takes.

    An unknown operator that stays on the CPU strands others; so both cases are worked out, and only
    what holds in both is sure.
    """
    if refusal(live, reasons) is not None:
        return CompiledGroups(frozenset(), frozenset(), 0)
    supported = {index for index, reason in reasons.items() if reason is None}
    known = {index: reason for index, reason in reasons.items() if reason is not None}
    unknown = {index for index, reason in known.items() if reason.target is Placement.UNKNOWN}
    without, subgraphs = _taken(live, supported, multiple_subgraphs)
    if not unknown:
        return CompiledGroups(without, without, subgraphs)
    including, _ = _taken(live, supported | unknown, multiple_subgraphs)
    return CompiledGroups(without & including, without | including, subgraphs)


def _taken(
    live: Sequence[Operator], supported: set[int], multiple_subgraphs: bool
) -> tuple[frozenset[int], int]:
    candidates = [subset for subset in partition(live, supported) if subset.supported]
    taken = candidates if multiple_subgraphs else candidates[:1]
    return frozenset(index for subset in taken for index in subset.operators), len(taken)
