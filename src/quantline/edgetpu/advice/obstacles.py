"""Obstacles that keep operators of a model on the CPU, each removed by one change."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from quantline.edgetpu.advice import remedies
from quantline.edgetpu.mapping.operators import TABLE
from quantline.edgetpu.vocabulary import INTEGER_8, Reason, Status, activations, extent
from quantline.tflite.graph import CONVERSIONS, Operator, Subgraph, Tensor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quantline.edgetpu.advice.remedies import Remedy

# Data types that a full quantization to int8 would replace.
_QUANTIZABLE = frozenset({"float32", "float16", "int16"})


@dataclass(frozen=True)
class Obstacle:
    """Operators that one kind of change would put on the Edge TPU."""

    kind: str  # the operators' type; more than one are joined by commas
    operators: tuple[Operator, ...]  # the operators themselves, in their order
    reason: Reason  # of the operator that refuses the model, or the first that is no conversion
    remedy: Remedy
    subgraph: Subgraph  # the subgraph after the change, as far as rules can judge it
    replaced: frozenset[int]  # indices of operators that it replaces, to be counted as mapped


def obstacles(
    live: Sequence[Operator], subgraph: Subgraph, reasons: Mapping[int, Reason | None]
) -> list[Obstacle]:
    """Return all obstacles among live operators, in the order of their first operators."""
    known = {index: reason for index, reason in reasons.items() if reason is not None}
    # By kind and remedy; without a kind, the operators of all kinds that share the remedy.
    groups: dict[tuple[str, Remedy], list[Operator]] = {}
    failing = [operator for operator in live if operator.index in known]
    islands, rest = _islands(failing, subgraph.tensors, known)
    for island in islands:
        for key, operators in _of_island(island, subgraph):
            groups.setdefault(key, []).extend(operators)
    for operator in rest:
        remedy = _remedy(operator, subgraph, known[operator.index])
        groups.setdefault((operator.type, remedy), []).append(operator)
    found = []
    for (kind, remedy), members in groups.items():
        operators = sorted(members, key=lambda operator: operator.index)
        after, replaced = _changed(subgraph, operators, remedy)
        decisive = [(known[operator.index], operator.type in CONVERSIONS) for operator in operators]
        reason, _ = min(decisive, key=lambda pair: (not pair[0].refuses_model, pair[1]))
        kinds = kind or _names(operators)
        found.append(Obstacle(kinds, tuple(operators), reason, remedy, after, replaced))
    return sorted(found, key=lambda obstacle: obstacle.operators[0].index)


def _remedy(operator: Operator, subgraph: Subgraph, reason: Reason) -> Remedy:
    if reason.status in (Status.RANK, Status.UNSPECIFIED) and _has_batch(operator, subgraph):
        return remedies.BATCH
    if reason.status in remedies.BY_STATUS:
        return remedies.BY_STATUS[reason.status]
    if not _in_table(operator):
        return remedies.outside(operator.type)
    if reason.status is Status.NOT_SUPPORTED:
        return remedies.NEWER_RUNTIME
    return remedies.WITHIN[operator.type]


def _has_batch(operator: Operator, subgraph: Subgraph) -> bool:
    """Return whether an operator computes for each example of the model's batch above 1."""
    shapes = (extent(subgraph.tensors[index]) for index in subgraph.inputs)
    batches = {shape[0] for shape in shapes if len(shape) in (2, 4) and shape[0] > 1}
    outputs = [extent(subgraph.tensors[index]) for index in operator.outputs]
    return any(len(shape) in (2, 4) and shape[0] in batches for shape in outputs)


def _islands(
    failing: Sequence[Operator], tensors: Sequence[Tensor], reasons: Mapping[int, Reason]
) -> tuple[list[list[Operator]], list[Operator]]:
    """Separate failing operators joined by tensors of other types than 8 bits from the rest."""
    # One operator without an int8 kernel makes a float island of itself, the conversions around it
    # and what lies between; all of them go together.
    islands: list[tuple[set[int], list[Operator]]] = []
    rest = []
    for operator in failing:
        wide = {tensor.index for tensor in _wide(operator, tensors)}
        if not wide or reasons[operator.index].status is Status.DYNAMIC:
            rest.append(operator)
            continue
        members, separate = [operator], []
        for indices, others in islands:
            if wide & indices:
                wide |= indices
                members += others
            else:
                separate.append((indices, others))
        islands = [*separate, (wide, members)]
    return [sorted(value, key=lambda member: member.index) for _, value in islands], rest


def _of_island(
    island: Sequence[Operator], subgraph: Subgraph
) -> list[tuple[tuple[str, Remedy], list[Operator]]]:
    conversions = [operator for operator in island if operator.type in CONVERSIONS]
    others = [operator for operator in island if operator.type not in CONVERSIONS]
    known = [operator for operator in others if _in_table(operator)]
    foreign = [operator for operator in others if not _in_table(operator)]
    wide = [tensor for operator in island for tensor in _wide(operator, subgraph.tensors)]
    dtypes = {tensor.dtype for tensor in wide}
    if not others:
        at_edge = {tensor.index for tensor in wide} & {*subgraph.inputs, *subgraph.outputs}
        remedy = remedies.EDGES if at_edge else remedies.QUANTIZED
        return [(("", remedy), conversions)]
    if not dtypes <= _QUANTIZABLE:
        return [((_names(foreign or known), remedies.APPLICATION), list(island))]
    if len(known) > len(foreign):
        # Most of it could be quantized: a float model, or one quantized in its weights only.
        alone = [((other.type, remedies.outside(other.type)), [other]) for other in foreign]
        return [(("", remedies.QUANTIZED), known + conversions), *alone]
    return [((_names(foreign), remedies.outside(foreign[0].type)), list(island))]


def _changed(
    subgraph: Subgraph, operators: Sequence[Operator], remedy: Remedy
) -> tuple[Subgraph, frozenset[int]]:
    """Return the subgraph after a change, and the operators that are simply replaced by it."""
    if remedy is remedies.QUANTIZED:
        replaced = frozenset(
            operator.index for operator in operators if operator.type in CONVERSIONS
        )
        return _quantized(subgraph, operators), replaced
    if remedy is remedies.BY_STATUS[Status.NOT_FOUND]:
        return _oldest(subgraph, operators), frozenset()
    if remedy is remedies.BY_STATUS[Status.DYNAMIC]:
        fixed = {index: extent(subgraph.tensors[index]) for index in subgraph.inputs}
        tensors = tuple(
            replace(tensor, shape=fixed.get(tensor.index, tensor.shape))
            for tensor in subgraph.tensors
        )
        # An unknown size of an input is fixed; a computed one and control flow are replaced.
        unknown = {index for index in fixed if not subgraph.tensors[index].is_static}
        replaced = frozenset(
            operator.index for operator in operators if not unknown & set(operator.inputs)
        )
        return replace(subgraph, tensors=tensors), replaced
    return subgraph, frozenset(operator.index for operator in operators)


def _wide(operator: Operator, tensors: Sequence[Tensor]) -> list[Tensor]:
    return [tensor for tensor in activations(operator, tensors) if tensor.dtype not in INTEGER_8]


def _quantized(subgraph: Subgraph, operators: Sequence[Operator]) -> Subgraph:
    tensors = list(subgraph.tensors)
    for operator in operators:
        for tensor in _wide(operator, subgraph.tensors):
            tensors[tensor.index] = replace(tensors[tensor.index], dtype="int8")
        source = tensors[operator.inputs[0]].constant if operator.inputs else None
        if operator.type == "DEQUANTIZE" and source is not None:
            # Weights that are stored as float16: the quantized model stores them as they are used.
            result = operator.outputs[0]
            tensors[result] = replace(tensors[result], constant=source)
    return replace(_oldest(subgraph, operators), tensors=tuple(tensors))


def _oldest(subgraph: Subgraph, operators: Sequence[Operator]) -> Subgraph:
    chosen = {operator.index for operator in operators}
    versions = (
        replace(operator, version=1) if operator.index in chosen else operator
        for operator in subgraph.operators
    )
    return replace(subgraph, operators=tuple(versions))


def _in_table(operator: Operator) -> bool:
    return not operator.is_custom and operator.type in TABLE


def _names(operators: Sequence[Operator]) -> str:
    return ", ".join(dict.fromkeys(operator.type for operator in operators))
