"""Shared terms: placement, status, reason, evidence, failures; and records as plain data."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from _typeshed import DataclassInstance

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


Constraint: TypeAlias = "Callable[[Operator, Sequence[Tensor], int], Reason | None]"
"""A limitation of operators, as a function of an operator, the tensors of its subgraph and the
Edge TPU runtime version: the reason why the operator is not mapped, or None."""


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


def plain(record: DataclassInstance) -> dict[str, Any]:
    """Return a record's fields as plain data: enumerations as text, tuples as lists."""
    values = {field.name: getattr(record, field.name) for field in fields(record)}
    return {
        name: str(value)
        if isinstance(value, StrEnum)
        else list(value)
        if isinstance(value, tuple)
        else value
        for name, value in values.items()
    }
