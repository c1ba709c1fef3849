"""The classes in which a candidate is worse than a reference, even if it is as good overall."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from quantline.metrics._metric import Judgement, Metric, Rule
from quantline.registry import Parameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantline.metrics._metric import Comparison
    from quantline.metrics._rows import Pairs


@dataclass(frozen=True)
class ClassChange:
    """The change in one class.

    Attributes:
        label: The class.
        examples: How many examples are of it.
        lost: How many of them only the reference has right.
        won: How many of them only the candidate has right.
        change_points: The candidate's accuracy minus the reference's, in percentage points.
        p_value: The chance of so large a fall, or a larger one, if the class were no worse.
        adjusted_p_value: The same, corrected for the number of classes.
        fell: Whether the class is worse, at the level that was asked for.
    """

    label: int
    examples: int
    lost: int
    won: int
    change_points: float
    p_value: float
    adjusted_p_value: float
    fell: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain data."""
        return asdict(self)


def class_changes(pairs: Pairs, confidence: float = 0.95) -> tuple[ClassChange, ...]:
    """Compare a candidate with a reference class by class, by ascending class.

    Each class is put to McNemar's exact test, one-sided, and the p-values are corrected by Holm's
    procedure: with no class worse, the chance that any is said to have fallen is at most
    ``1 - confidence``. A class of few examples can fall unnoticed.

    Args:
        pairs: The predictions of both.
        confidence: Of the whole table, one-sided.
    """
    import numpy as np

    labels, lost, won = pairs.reference["label"], pairs.lost(), pairs.won()
    counts = [
        (int(label), int(own.sum()), int((lost & own).sum()), int((won & own).sum()))
        for label in np.unique(labels)
        for own in [labels == label]
    ]
    p_values = [mcnemar(lost, won) for _, _, lost, won in counts]
    return tuple(
        ClassChange(
            label=label,
            examples=examples,
            lost=lost,
            won=won,
            change_points=100 * (won - lost) / examples,
            p_value=p_value,
            adjusted_p_value=adjusted,
            fell=adjusted <= 1 - confidence,
        )
        for (label, examples, lost, won), p_value, adjusted in zip(
            counts, p_values, holm(p_values), strict=True
        )
    )


def mcnemar(lost: int, won: int) -> float:
    """Return the exact one-sided p-value of the hypothesis that as many are won as lost.

    Of the changed examples, as many as were lost or more are, with the chance of a half each.
    Source: Q. McNemar, Note on the sampling error of the difference between correlated proportions
    or percentages, Psychometrika 12 (1947), 153-157; exact as in F. Mosteller, Some statistical
    problems in measuring the subjective response to drugs, Biometrics 8 (1952), 220-226.

    Args:
        lost: Examples that only the reference has right.
        won: Examples that only the candidate has right.
    """
    changed = lost + won
    term, total = 1, 0  # binomial coefficients as whole numbers: exact, however many there are
    for kept in range(won + 1):
        total += term
        term = term * (changed - kept) // (kept + 1)
    return total / (1 << changed)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number, in the same order.

    Source: S. Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal
    of Statistics 6 (1979), 65-70.
    """
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, at in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[at]))
        adjusted[at] = largest
    return adjusted


def change(compared: Comparison) -> tuple[ClassChange, ...]:
    """Return the change of each class."""
    return class_changes(compared.pairs, compared.confidence)


def judge(compared: Comparison, change: Sequence[ClassChange], allowed: int) -> Judgement:
    """Judge how many classes have become worse."""
    fallen = [label for label in change if label.fell]
    listed = ", ".join(f"{item.label} ({item.change_points:+.1f} points)" for item in fallen)
    why = (
        f"{len(fallen)} of {len(change)} classes are worse than those of "
        f"{compared.name}{': ' if listed else ''}{listed}; {allowed} may be."
    )
    verdict: Literal["no worse", "worse"] = "no worse" if len(fallen) <= allowed else "worse"
    return Judgement(verdict, why, limit={"max": allowed}, value=len(fallen))


METRIC = Metric(
    name="regressed_classes",
    label="regressed classes",
    summary="the classes that the candidate is worse at than the reference",
    rule=Rule(
        Parameter(
            "regressed_classes",
            default=0,
            meaning="how many classes may be worse, as the test for many classes finds them",
            type=int,
            at_least=0,
        ),
        judge,
        change,
        report_as="classes",
        to_json=lambda change: [item.to_dict() for item in change],
    ),
    order=50,
)
