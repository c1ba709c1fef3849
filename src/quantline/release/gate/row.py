"""One rule and what came of it: a row of ``gate.json``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """The outcome of a rule.

    Attributes:
        PASSED: It is kept.
        FAILED: It is broken, or what it asks for is missing.
        UNDECIDED: There are too few examples to tell.
        SKIPPED: It does not apply.
    """

    PASSED = "passed"
    FAILED = "failed"
    UNDECIDED = "undecided"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Row:
    """One rule.

    Attributes:
        rule: Its name: where it stands in the parameters, or ``structural`` and a name.
        outcome: Passed, failed, undecided or skipped.
        why: The reason, as a sentence.
        limit: What is asked for: a mapping with ``min`` or ``max``, or the value itself.
        value: What was found, in the unit that the rule's name tells.
        baseline: The same of the model that is compared with.
        interval: Both bounds of the value; None where it has none.
        evidence: How the value is known: ``measured``, ``read``, ``parsed`` or ``predicted``.
        examples_needed: How many more examples would decide; None where the rule is decided, or
            where no number is known that would.
    """

    rule: str
    outcome: Outcome
    why: str
    limit: Any = None
    value: Any = None
    baseline: float | None = None
    interval: tuple[float, float] | None = None
    evidence: str | None = None
    examples_needed: int | None = None

    @property
    def passed(self) -> bool | None:
        """True if the rule is kept, False if not; None if it does not apply."""
        return None if self.outcome is Outcome.SKIPPED else self.outcome is Outcome.PASSED

    def to_dict(self) -> dict[str, Any]:
        """Return the row as plain data."""
        return {
            "rule": self.rule,
            "outcome": str(self.outcome),
            "passed": self.passed,
            "why": self.why,
            "limit": self.limit,
            "value": self.value,
            "baseline": self.baseline,
            "interval": None if self.interval is None else list(self.interval),
            "evidence": self.evidence,
            "examples_needed": self.examples_needed,
        }


def passes(kept: bool) -> Outcome:
    """Return the outcome of a rule that is either kept or broken."""
    return Outcome.PASSED if kept else Outcome.FAILED
