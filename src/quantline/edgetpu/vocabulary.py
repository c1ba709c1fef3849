"""The words of a verdict: where an operator runs, in whose words, and how that is known."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Placement(StrEnum):
    """Where an operator is predicted to run."""

    EDGETPU = "edgetpu"
    CPU = "cpu"
    UNKNOWN = "unknown"
    DEAD = "dead"


class Evidence(StrEnum):
    """What a number that reaches a user rests on.

    Attributes:
        MEASURED: Timed or counted on a machine, which is named beside it.
        READ: Printed by the compiler.
        PARSED: Taken from a compiled file.
        PREDICTED: Worked out from the uncompiled model.
    """

    MEASURED = "measured"
    READ = "read"
    PARSED = "parsed"
    PREDICTED = "predicted"


class Provenance(StrEnum):
    """How a rule is known.

    Attributes:
        DOCUMENTED: Read in Coral's or TensorFlow's documentation.
        PARSED: Seen in files that went through the compiler.
        REPORTED: Read in a compiler's output that a user published.
        MEMORY: Believed, and confirmed by nothing at hand.
    """

    DOCUMENTED = "documented"
    PARSED = "parsed"
    REPORTED = "reported"
    MEMORY = "memory"


class Status(StrEnum):
    """What is said of one operator.

    All but the last five are the compiler's own wording: of ``edgetpu_compiler`` 16.0, and of 2.0
    for ``NOT_CONSTANT``. From ``DYNAMIC`` to ``FLEX``, it says it of the whole model and gives up.
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
    """Why an operator is not, or may not be, mapped.

    Attributes:
        status: What the compiler would say of it.
        rule: The rule that it breaks, as a clause.
        provenance: How that rule is known.
        target: ``cpu``, or ``unknown`` where the rule does not decide.
        refuses_model: Whether the compiler gives up on the whole model because of it.
    """

    status: Status
    rule: str
    provenance: Provenance
    target: Placement = Placement.CPU
    refuses_model: bool = False
