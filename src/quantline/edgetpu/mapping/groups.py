"""Which operators the compiler takes: each judged alone, then all parted into groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quantline.edgetpu.mapping.partition import compiled_subsets, live_operators, partition
from quantline.edgetpu.mapping.requirements import find_reason
from quantline.edgetpu.vocabulary import Placement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quantline.edgetpu.vocabulary import Reason
    from quantline.tflite.graph import Operator, Subgraph


@dataclass(frozen=True)
class CompiledGroups:
    """The operators that are compiled for the Edge TPU.

    Attributes:
        sure: Indices of those that surely are.
        possible: Indices of those that may be, the sure ones included.
        subgraphs: In how many groups, where operators of unknown mapping stay on the CPU.
    """

    sure: frozenset[int]
    possible: frozenset[int]
    subgraphs: int


def find_reasons(subgraph: Subgraph, runtime_version: int) -> dict[int, Reason | None]:
    """Return of every live operator, by index, why it is not mapped, or None, judged alone."""
    return {
        operator.index: find_reason(operator, subgraph, runtime_version)
        for operator in live_operators(subgraph)
    }


def refusal(
    live: Sequence[Operator], reasons: Mapping[int, Reason | None]
) -> tuple[Operator, Reason] | None:
    """Return the first operator for which the compiler refuses the whole model, and why."""
    for operator in live:
        reason = reasons[operator.index]
        if reason is not None and reason.refuses_model:
            return operator, reason
    return None


def select_compiled(
    live: Sequence[Operator], reasons: Mapping[int, Reason | None], multiple_subgraphs: bool
) -> CompiledGroups:
    """Return what the compiler takes of a model.

    An unknown operator that stays on the CPU strands others; so both cases are worked out, and only
    what holds in both is sure.

    Args:
        live: The live operators, in the order of execution.
        reasons: Why each of them is not mapped, or None.
        multiple_subgraphs: Whether the compiler runs with ``--enable_multiple_subgraphs``.
    """
    if refusal(live, reasons) is not None:
        return CompiledGroups(frozenset(), frozenset(), 0)
    supported = {index for index, reason in reasons.items() if reason is None}
    unknown = {
        index for index, reason in reasons.items() if reason and reason.target is Placement.UNKNOWN
    }
    without, subgraphs = _taken(live, supported, multiple_subgraphs)
    if not unknown:
        return CompiledGroups(without, without, subgraphs)
    including, _ = _taken(live, supported | unknown, multiple_subgraphs)
    return CompiledGroups(without & including, without | including, subgraphs)


def _taken(
    live: Sequence[Operator], supported: set[int], multiple_subgraphs: bool
) -> tuple[frozenset[int], int]:
    subsets = compiled_subsets(partition(live, supported), multiple_subgraphs)
    return frozenset(index for subset in subsets for index in subset.operators), len(subsets)
