"""Cutting operators out of a ``.tflite`` model, into a model of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from quantline.tflite.edit import pack
from quantline.tflite.graph import parse, read

if TYPE_CHECKING:
    from collections.abc import Collection

    from quantline.tflite.graph import Subgraph


def extract(model: bytes, operators: Collection[int]) -> bytes:
    """Return a model of these operators of the main subgraph only.

    Its inputs are what they read from other operators and from the model's inputs, its outputs what
    others, or the model's outputs, take from them. So what lay between two of them is cut, and each
    side is there. Bodies of control flow are kept as they are; signatures and metadata are dropped.

    Args:
        model: A ``.tflite`` file's bytes.
        operators: Indices of operators of the main subgraph.
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
    used.update(tensor.buffer for other in edited.subgraphs[1:] for tensor in other.tensors)
    for index, buffer in enumerate(edited.buffers):
        if index not in used:
            buffer.data = None
    return pack(
        edited, sum(0 if other.data is None else len(other.data) for other in edited.buffers)
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
