"""Every rule by its id: what it means, where it comes from, and what breaking it breaks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quantline.contract.finding import Finding, Severity
from quantline.contract.layer_name import layer_of

if TYPE_CHECKING:
    from quantline.tflite import Operator, Subgraph, Tensor


@dataclass(frozen=True)
class Rule:
    """One rule that a model is held to.

    Attributes:
        severity: What breaking it breaks.
        meaning: What it demands, in one line.
        source: Where it is written, or what it was measured from.
    """

    severity: Severity
    meaning: str
    source: str


_PROMISE = "the promise of integer-only quantization"

RULES: dict[str, Rule] = {
    "integer.operator": Rule(
        "integer_only", "integers in every tensor that an operator reads or writes", _PROMISE
    ),
    "integer.tensor": Rule("integer_only", "integers in every tensor", _PROMISE),
    "custom.unknown": Rule(
        "integer_only", "an operator whose computation is known", _PROMISE
    ),
}  # fmt: skip


def broken(
    rule: str,
    subgraph: Subgraph,
    operator: Operator | None,
    tensor: Tensor | None,
    found: str,
    *,
    severity: Severity | None = None,
    expected: str | None = None,
    remedy: str | None = None,
) -> Finding:
    """Return the finding that a rule is broken at a place in the model.

    Args:
        rule: The rule's id.
        subgraph: Where.
        operator: The operator; None where a tensor alone is meant.
        tensor: The tensor; None where the whole model is meant.
        found: What was found.
        severity: What it breaks here, where that is not what the rule says.
        expected: What is demanded here; the rule's meaning by default.
        remedy: What to do about it.
    """
    return Finding(
        rule=rule,
        severity=severity or RULES[rule].severity,
        subgraph=subgraph.index,
        operator=None if operator is None else operator.index,
        type=operator.type if operator is not None else "MODEL" if tensor is None else "TENSOR",
        tensor=None if tensor is None else tensor.index,
        name="" if tensor is None else tensor.name,
        layer=None if tensor is None else layer_of(tensor.name),
        found=found,
        expected=expected or RULES[rule].meaning,
        remedy=remedy,
    )
