"""Taking operators out of a ``.tflite`` model's object tree, and what nothing uses any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def bypass(model: Any, number: int, replaced: Mapping[int, int], removed: Iterable[Any]) -> None:
    """Remove operators from a subgraph; whoever read their outputs reads other tensors instead.

    Args:
        model: The schema's mutable object tree (``ModelT``).
        number: The subgraph's index.
        replaced: The tensor that is read instead, by the index of the one that was read.
        removed: The operators (``OperatorT``).
    """
    subgraph = model.subgraphs[number]
    gone = {id(operator) for operator in removed}
    subgraph.operators = [operator for operator in subgraph.operators if id(operator) not in gone]

    def instead(index: int) -> int:
        while index in replaced:
            index = replaced[index]
        return index

    for operator in subgraph.operators:
        operator.inputs = _mapped(operator.inputs, instead)
    subgraph.outputs = _mapped(subgraph.outputs, instead)
    for signature in model.signatureDefs or ():
        if signature.subgraphIndex == number:
            for entry in signature.outputs or ():
                entry.tensorIndex = instead(entry.tensorIndex)


def prune(model: Any) -> None:
    """Drop the tensors, operator codes and buffers that nothing names.

    Args:
        model: The schema's mutable object tree (``ModelT``).
    """
    for number, subgraph in enumerate(model.subgraphs):
        entries = [
            entry
            for signature in model.signatureDefs or ()
            if signature.subgraphIndex == number
            for entry in (*(signature.inputs or ()), *(signature.outputs or ()))
        ]
        operators = subgraph.operators or ()
        lists = [(subgraph, "inputs"), (subgraph, "outputs")]
        lists += [(operator, field) for operator in operators
                  for field in ("inputs", "outputs", "intermediates")]  # fmt: skip
        named = {entry.tensorIndex for entry in entries}
        named |= {int(index) for owner, field in lists for index in _numbers(owner, field)}
        used = sorted(named - {-1})
        place = {-1: -1, **{old: new for new, old in enumerate(used)}}
        for owner, field in lists:
            if getattr(owner, field) is not None:
                setattr(owner, field, _mapped(getattr(owner, field), place.__getitem__))
        for entry in entries:
            entry.tensorIndex = place[entry.tensorIndex]
        subgraph.tensors = [subgraph.tensors[index] for index in used]
    operators = [operator for subgraph in model.subgraphs for operator in subgraph.operators or ()]
    model.operatorCodes = renumbered(list(model.operatorCodes or ()), operators, "opcodeIndex")
    tensors = [tensor for subgraph in model.subgraphs for tensor in subgraph.tensors]
    users = [*tensors, *(model.metadata or ())]
    # Buffer 0 stays: it is the one that stands for no data.
    model.buffers = renumbered(model.buffers, users, "buffer", always=1)
    model.metadataBuffer = None  # the older place of the metadata, of which it names the buffers


def renumbered(items: list[Any], users: list[Any], field: str, always: int = 0) -> list[Any]:
    """Return the first items and those that users name by index; correct the users' indices.

    Args:
        items: All of them.
        users: Objects with an index in the field of this name.
        field: The field.
        always: How many of the first items stay in any case.
    """
    used = sorted({*range(always), *(getattr(user, field) for user in users)})
    place = {old: new for new, old in enumerate(used)}
    for user in users:
        setattr(user, field, place[getattr(user, field)])
    return [items[index] for index in used]


def _mapped(indices: Any, place: Any) -> np.ndarray:
    return np.asarray([place(int(index)) for index in indices], np.int32)


def _numbers(owner: Any, field: str) -> Any:
    values = getattr(owner, field)
    return () if values is None else values
