"""Models cut out of a ``.tflite`` model, and models whose operators read given values."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.tflite.edit import pack, pack_with_shared_data
from quantline.tflite.graph import parse, read

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from quantline.tflite.graph import Subgraph


def extract(model: bytes, operators: Collection[int]) -> bytes:
    """Return a model of these operators of the main subgraph only.

    Its inputs are the tensors that they read from other operators and from the model's inputs, its
    outputs those that others, or the model's outputs, take from them. Bodies of control flow stay
    as they are; signatures and metadata are dropped.
    """
    main = read(model).main
    edited = parse(model)
    subgraph = edited.subgraphs[0]
    inputs, outputs = _borders(main, operators)
    subgraph.operators = [subgraph.operators[index] for index in sorted(operators)]
    subgraph.inputs = np.asarray(inputs, np.int32)
    subgraph.outputs = np.asarray(outputs, np.int32)
    edited.signatureDefs = None
    edited.metadata = None
    edited.metadataBuffer = None
    kept = [main.operators[index] for index in operators]
    reached = {
        index for operator in kept for index in (*operator.inputs, *operator.outputs) if index >= 0
    }
    used = {subgraph.tensors[index].buffer for index in reached}
    used.update(tensor.buffer for body in edited.subgraphs[1:] for tensor in body.tensors)
    for index, buffer in enumerate(edited.buffers):
        if index not in used:
            buffer.data = None
    return pack(
        edited, sum(0 if buffer.data is None else len(buffer.data) for buffer in edited.buffers)
    )


def _borders(main: Subgraph, chosen: Collection[int]) -> tuple[list[int], list[int]]:
    taken: dict[int, None] = {}  # in order, and each once
    given: dict[int, None] = {}
    wanted = set(main.outputs)
    for operator in main.operators:
        if operator.index in chosen:
            taken.update(dict.fromkeys(index for index in operator.inputs if index >= 0))
            given.update(dict.fromkeys(operator.outputs))
        else:
            wanted.update(operator.inputs)
    inputs = [
        index
        for index in taken
        if index not in given
        and main.tensors[index].constant is None
        and not main.tensors[index].is_variable
    ]
    return inputs, [index for index in given if index in wanted]


def with_isolated_operators(model: bytes, given: Sequence[int], outputs: Sequence[int]) -> bytes:
    """Return the model with new inputs in place of tensors that operators read from each other.

    One run then shows the result of each operator on exactly known values, at the speed of the
    whole model. Operators that no output needs any longer are left out.

    Args:
        model: A ``.tflite`` file's bytes, known to be readable.
        given: Tensors of the main subgraph. The new inputs follow the model's own in this order,
            and are of the same shapes, types, scales and zero points.
        outputs: Tensors of the main subgraph to output, in their order. A given one is output as
            its operator computes it.
    """
    edited = parse(model)
    edited.signatureDefs = None  # they name outputs that are no longer there
    main = edited.subgraphs[0]
    fed = {}
    for index in given:
        tensor = copy(main.tensors[index])
        tensor.name = (tensor.name or b"") + b";given"
        fed[index] = len(main.tensors)
        main.tensors.append(tensor)
    for operator in main.operators:
        read = operator.inputs if operator.inputs is not None else ()
        operator.inputs = np.asarray([fed.get(int(value), value) for value in read], np.int32)
    main.operators = _needed(main.operators, outputs)
    main.inputs = np.asarray([*main.inputs, *fed.values()], np.int32)
    main.outputs = np.asarray(outputs, np.int32)
    return pack_with_shared_data(edited, model)


def _needed(operators: Sequence[Any], outputs: Sequence[int]) -> list[Any]:
    """Return the operators that outputs need, and those without outputs, such as assignments."""
    needed = set(outputs)
    kept = []
    for operator in reversed(operators):
        given = operator.outputs if operator.outputs is not None else ()
        if not len(given) or needed.intersection(given):
            kept.append(operator)
            needed.update(operator.inputs)
    return kept[::-1]
