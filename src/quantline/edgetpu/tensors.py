"""Facts about an operator's tensors."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from quantline.tflite.graph import Operator, Tensor

INTEGER_8 = frozenset({"int8", "uint8"})


def given(indices: Iterable[int], tensors: Sequence[Tensor]) -> list[Tensor]:
    """Return the tensors at these indices without optional ones that are absent."""
    return [tensors[index] for index in indices if index >= 0]


def at(operator: Operator, position: int, tensors: Sequence[Tensor]) -> Tensor | None:
    """Return the operator's input at a position, or None where it is absent."""
    if position >= len(operator.inputs) or operator.inputs[position] < 0:
        return None
    return tensors[operator.inputs[position]]


def activations(operator: Operator, tensors: Sequence[Tensor]) -> list[Tensor]:
    """Return the tensors that an operator computes with: no constants and no variable state.

    State is left out because an LSTM whose cell state is int16 was seen mapped.
    """
    return [
        tensor
        for tensor in given(chain(operator.inputs, operator.outputs), tensors)
        if tensor.constant is None and not tensor.is_variable
    ]


def extent(tensor: Tensor) -> tuple[int, ...]:
    """Return a tensor's shape as the compiler takes it: an unknown size stands for 1.

    TensorFlow stores 1 for it next to the signature, TensorFlow Lite allocates what is stored, and
    models of unknown batch were seen mapped.
    """
    return tuple(1 if size < 0 else size for size in tensor.shape)


def elements(tensor: Tensor) -> int:
    """Return how many elements a tensor of known size has."""
    count = 1
    for size in extent(tensor):
        count *= size
    return count


def integers(tensor: Tensor | None) -> tuple[int, ...] | None:
    """Return a constant's values, flattened, or None where they are not constant."""
    if tensor is None or tensor.constant is None:
        return None
    return tuple(int(value) for value in tensor.values().reshape(-1))


def axes(tensor: Tensor | None, rank: int) -> tuple[int, ...]:
    """Return the axes that a constant names, counted from 0; none where it is not constant."""
    return tuple(axis % rank for axis in integers(tensor) or ()) if rank else ()
