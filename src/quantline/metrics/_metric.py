"""The declaration of a metric, and of the rule by which the gate judges its change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from quantline.metrics._rows import Pairs, Rows
    from quantline.registry import Parameter
    from quantline.stats.interval import Interval


@dataclass(frozen=True, eq=False)
class Comparison:
    """A candidate and a reference, and how its changes are to be estimated.

    Attributes:
        name: What to call the reference, such as ``the float model``.
        pairs: The predictions of both; of one example at least.
        confidence: The confidence of each bound, one-sided.
        seed: The seed of the bootstrap.
        resamples: How many times the bootstrap draws the examples again.
    """

    name: str
    pairs: Pairs
    confidence: float
    seed: int
    resamples: int

    @property
    def percent(self) -> str:
        """The confidence as text."""
        return f"{100 * self.confidence:g} %"


@dataclass(frozen=True)
class Judgement:
    """The result of a rule about a change.

    Attributes:
        verdict: ``undecided`` where there are too few examples to tell.
        why: The reason, as a sentence.
        limit: What is allowed: a mapping with ``min``, ``max`` or both.
        value: What was found, in the unit that the parameter's name says.
        baseline: The same of the reference.
        interval: Both bounds of the value.
        examples_needed: How many more examples would decide, where that is known.
    """

    verdict: Literal["no worse", "worse", "undecided"]
    why: str
    limit: dict[str, float]
    value: float
    baseline: float | None = None
    interval: tuple[float, float] | None = None
    examples_needed: int | None = None


def _nothing(_: Comparison) -> None:
    return None


@dataclass(frozen=True, eq=False)
class Rule:
    """A rule of the gate: what a change from another model may cost.

    Attributes:
        parameter: What is allowed; None switches the rule off.
        judge: Takes the comparison, the change and what is allowed.
        change: Estimates the change; whether or not the rule is on.
        report_as: The key of the change in ``gate.json``; None leaves it out.
        to_json: Turns the change into plain data.
    """

    parameter: Parameter
    judge: Callable[[Comparison, Any, Any], Judgement]
    change: Callable[[Comparison], Any] = _nothing
    report_as: str | None = None
    to_json: Callable[[Any], Any] = lambda change: change._asdict()


@dataclass(frozen=True, eq=False)
class Metric:
    """A metric of one task.

    Attributes:
        name: Its key in the reports, next to those of its interval's ends, ``_low`` and ``_high``.
        label: Its name in tables.
        summary: The documentation: a phrase.
        score: Estimates it for one model from the rows of labelled examples, of one at least; None
            for what only says how two models differ.
        is_share: Whether it lies between 0 and 1 and is shown in per cent.
        least_classes: The fewest classes of a model for which it means something.
        rule: The rule about its change; None if there is none.
        order: Its place in tables and among the rules, lowest first.
        statistic: Prepares a model's rows and gives a function of how often each example counts,
            an integer array of shape (n_examples,); NaN where it is not defined. The gate judges
            its change by a margin.
        lower_is_better: Whether a lower value is the better one.
        margin: By how much it may be worse where the user says nothing; None where no number suits
            every model.
        too_few: Takes a model's rows and says why they are too few for the bounds of a change to
            hold what they promise, as ``benchmarks/coverage_of_metrics.py`` measures it; None where
            they are not.
    """

    name: str
    label: str
    summary: str
    score: Callable[[Rows], Interval] | None = None
    is_share: bool = True
    least_classes: int = 1
    rule: Rule | None = None
    order: int = 100
    statistic: Callable[[Rows], Callable[[np.ndarray], float]] | None = None
    lower_is_better: bool = False
    margin: float | None = None
    too_few: Callable[[Rows], str | None] = lambda _: None
