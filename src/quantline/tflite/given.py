"""A model in which operators read given values in place of what other operators compute."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.tflite.edit import pack_with_data_apart
from quantline.tflite.graph import parse

if TYPE_CHECKING:
    from collections.abc import Sequence


def with_tensors_given(model: bytes, given: Sequence[int], outputs: Sequence[int]) -> bytes:
    """Return the model with tensors handed to operators from outside instead of from each other.

    Whoever reads one of these tensors reads a new input of the model in its place, so that one
    run gives what each operator makes of exactly known values, at the speed of the whole model.
    Operators that no output needs any longer are left out.

    Args:
        model: A ``.tflite`` file's bytes, known to be readable.
        given: Tensors of the main subgraph. The new inputs follow the model's own in this order,
            and are of the same shapes, types, scales and zero points.
        outputs: The tensors of the main subgraph that are to be output, in their order. One that is
            given is output as its operator computes it.
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
    return pack_with_data_apart(edited, model)


def _needed(operators: Sequence[Any], outputs: Sequence[int]) -> list[Any]:
    """Return the operators that outputs need, and those that give nothing, such as assignments."""
    needed = set(outputs)
    kept = []
    for operator in reversed(operators):
        given = operator.outputs if operator.outputs is not None else ()
        if not len(given) or needed.intersection(given):
            kept.append(operator)
            needed.update(operator.inputs)
    return kept[::-1]
