"""Shared terms: placement, status, reason, evidence, failures; and facts about tensors."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from quantline.errors import QuantlineError
    from quantline.tflite.graph import Operator, Tensor


class Placement(StrEnum):
    """The place where an operator runs."""

    EDGETPU = "edgetpu"
    CPU = "cpu"
    UNKNOWN = "unknown"
    DEAD = "dead"


class Evidence(StrEnum):
    """The basis of a number that reaches a user."""

    MEASURED = "measured"  # timed or counted on a machine, which is named with it
    READ = "read"  # printed by the compiler
    PARSED = "parsed"  # taken from a compiled file
    PREDICTED = "predicted"  # computed from the uncompiled model


class Provenance(StrEnum):
    """The source of a rule."""

    DOCUMENTED = "documented"  # read in Coral's or TensorFlow's documentation
    PARSED = "parsed"  # seen in files that went through the compiler
    REPORTED = "reported"  # read in a compiler's output that a user published
    MEMORY = "memory"  # believed, and not confirmed


class Status(StrEnum):
    """The status of one operator.

    All but the last five are the compiler's own wording: of ``edgetpu_compiler`` 16.0, and of 2.0
    for ``NOT_CONSTANT``. From ``DYNAMIC`` to ``FLEX``, it refuses the whole model.
    """

    MAPPED = "Mapped to Edge TPU"
    ONE_SUBGRAPH = "More than one subgraph is not supported"
    UNSPECIFIED = (
        "Operation is otherwise supported, but not mapped due to some unspecified limitation"
    )
    DTYPE = "Operation is working on an unsupported data type"
    NOT_SUPPORTED = "Operation not supported"
    RANK = "Tensor has unsupported rank (up to 3 innermost dimensions mapped)"
    STRIDES = "Only Strided-Slice with unitary strides supported"
    NOT_CONSTANT = "Filter, bias, or other param is not constant at compile-time"
    DYNAMIC = (
        "Attempting to use a delegate that only supports static-sized tensors with a graph that "
        "has dynamic-sized tensors"
    )
    NOT_FOUND = "Didn't find op for builtin opcode"
    OUT_OF_RANGE = "Op builtin_code out of range"
    FLEX = "Regular TensorFlow ops are not supported by this interpreter"
    UNSEEN = "Mapping depends on a size beyond those seen mapped"
    DEPENDS = "Mapping depends on an operator whose own mapping is unknown"
    REFUSED = "The compiler may refuse the whole model"
    COMPILED = "Compiled for the Edge TPU already"
    UNREACHABLE = "Not needed for any output"


@dataclass(frozen=True)
class Reason:
    """The reason why an operator is not, or may not be, mapped."""

    status: Status  # the compiler's words about it
    rule: str  # the broken rule, as a clause
    provenance: Provenance
    target: Placement = Placement.CPU  # `cpu`, or `unknown` where the rule does not decide
    refuses_model: bool = False  # True if the compiler gives up on the whole model because of it


@dataclass(frozen=True)
class Failure:
    """A failure of a program of others, recognized by its words."""

    pattern: str  # the printed words, as a regular expression
    error: type[QuantlineError]
    what: str  # the problem, as a sentence
    expected: str
    remedy: str  # the next step, as a sentence

    def to_error(self, found: str) -> QuantlineError:
        """Return the error, with the words that were found."""
        return self.error(self.what, found=found, expected=self.expected, remedy=self.remedy)


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
    used = given((*operator.inputs, *operator.outputs), tensors)
    return [tensor for tensor in used if tensor.constant is None and not tensor.is_variable]


def extent(tensor: Tensor) -> tuple[int, ...]:
    """Return a tensor's shape as the compiler takes it: an unknown size stands for 1.

    TensorFlow stores 1 for it next to the signature, TensorFlow Lite allocates what is stored, and
    models of unknown batch were seen mapped.
    """
    return tuple(1 if size < 0 else size for size in tensor.shape)


def integers(tensor: Tensor | None) -> tuple[int, ...] | None:
    """Return a constant's values, flattened, or None where they are not constant."""
    if tensor is None or tensor.constant is None:
        return None
    return tuple(int(value) for value in tensor.values().reshape(-1))


def axes(tensor: Tensor | None, rank: int) -> tuple[int, ...]:
    """Return the axes that a constant names, counted from 0; none where it is not constant."""
    return tuple(axis % rank for axis in integers(tensor) or ()) if rank else ()
