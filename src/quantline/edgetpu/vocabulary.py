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
    """The basis of a number that reaches a user.

    Attributes:
        MEASURED: Timed or counted on a machine, which is named with it.
        READ: Printed by the compiler.
        PARSED: Taken from a compiled file.
        PREDICTED: Computed from the uncompiled model.
    """

    MEASURED = "measured"
    READ = "read"
    PARSED = "parsed"
    PREDICTED = "predicted"


class Provenance(StrEnum):
    """The source of a rule.

    Attributes:
        DOCUMENTED: Read in Coral's or TensorFlow's documentation.
        PARSED: Seen in files that went through the compiler.
        REPORTED: Read in a compiler's output that a user published.
        MEMORY: Believed, and not confirmed.
    """

    DOCUMENTED = "documented"
    PARSED = "parsed"
    REPORTED = "reported"
    MEMORY = "memory"


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
    """The reason why an operator is not, or may not be, mapped.

    Attributes:
        status: The compiler's words about it.
        rule: The broken rule, as a clause.
        provenance: The source of that rule.
        target: ``cpu``, or ``unknown`` where the rule does not decide.
        refuses_model: Whether the compiler gives up on the whole model because of it.
    """

    status: Status
    rule: str
    provenance: Provenance
    target: Placement = Placement.CPU
    refuses_model: bool = False


Constraint: TypeAlias = "Callable[[Operator, Sequence[Tensor], int], Reason | None]"
"""A limitation of operators, as a function of an operator, the tensors of its subgraph and the
Edge TPU runtime version: the reason why the operator is not mapped, or None."""


@dataclass(frozen=True)
class Failure:
    """A failure of a program of others, recognized by its words.

    Attributes:
        pattern: The printed words, as a regular expression.
        error: The class of the error.
        what: The problem, as a sentence.
        expected: The right state.
        remedy: The next step, as a sentence.
    """

    pattern: str
    error: type[QuantlineError]
    what: str
    expected: str
    remedy: str

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
