"""A prediction against what the compiler did: each operator or, by its words, their counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from quantline.edgetpu.compiled.match import match
from quantline.edgetpu.scoring.score import Miss
from quantline.edgetpu.vocabulary import Evidence, Target
from quantline.tflite.operands import OPERATORS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quantline.edgetpu.compiled.match import Match
    from quantline.edgetpu.compiler.records import OperatorCount
    from quantline.edgetpu.mapping.report import Report
    from quantline.tflite.graph import Graph

_BUILTIN = frozenset(OPERATORS.values())


@dataclass(frozen=True)
class Comparison:
    """The prediction of a model against its compiled file.

    Attributes:
        operators: How many operators the model has, dead ones included.
        placed: Where the compiler put each operator.
        misses: Those that were predicted wrongly or as ``unknown``.
        subgraphs_predicted: How many Edge TPU subgraphs were predicted.
        subgraphs_compiled: How many the compiler made.
    """

    operators: int
    placed: Match
    misses: tuple[Miss, ...]
    subgraphs_predicted: int
    subgraphs_compiled: int

    @property
    def is_exact(self) -> bool:
        """Whether every operator and the number of subgraphs were predicted rightly."""
        return not self.misses and self.subgraphs_predicted == self.subgraphs_compiled

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain data, ready for JSON."""
        return {
            "evidence": {"compiled": str(Evidence.PARSED), "predicted": str(Evidence.PREDICTED)},
            "exact": self.is_exact,
            "misses": [
                miss.predicted.to_dict() | {"actual": str(miss.actual)} for miss in self.misses
            ],
            "operators": self.operators,
            "right": self.operators - len(self.misses),
            "subgraphs": {
                "compiled": self.subgraphs_compiled,
                "predicted": self.subgraphs_predicted,
            },
        }


@dataclass(frozen=True)
class CountDifference:
    """Operators of one type and status of which the prediction has more or fewer.

    Attributes:
        type: The schema's name, or ``CUSTOM``.
        status: The compiler's wording, or the prediction's where it has one of its own.
        predicted: How many were predicted.
        compiled: How many the compiler names.
    """

    type: str
    status: str
    predicted: int
    compiled: int

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain data."""
        return asdict(self)


def compare(report: Report, original: Graph, compiled: Graph) -> Comparison:
    """Compare a prediction with a compiled file.

    Args:
        report: What was predicted for the model.
        original: The model.
        compiled: What the compiler made of it, in one piece.

    Raises:
        MismatchError: The compiled file was made from another model.
    """
    found = match(original, compiled)
    placed = {
        index: target
        for target, indices in (
            (Target.EDGETPU, found.edgetpu), (Target.CPU, found.cpu), (Target.DEAD, found.dead)
        )
        for index in indices
    }  # fmt: skip
    return Comparison(
        operators=len(report.operators),
        placed=found,
        misses=tuple(
            Miss(operator, placed[operator.index])
            for operator in report.operators
            if operator.target is not placed[operator.index]
        ),
        subgraphs_predicted=report.subgraphs,
        subgraphs_compiled=len(found.subgraphs),
    )


def compare_counts(report: Report, rows: Iterable[OperatorCount]) -> tuple[CountDifference, ...]:
    """Compare a prediction with the compiler's operator table, where that is all there is.

    The table counts operators by type and status and does not say which they are: equal counts are
    weaker than equal operators.

    Args:
        report: What was predicted for the model.
        rows: The table of its log or standard output; of all segments, where it was cut.

    Returns:
        The differences, by type and status; none where all counts are equal.
    """
    predicted = Counter(
        (operator.type if operator.type in _BUILTIN else "CUSTOM", str(operator.status))
        for operator in report.operators
        if operator.target is not Target.DEAD
    )
    compiled: Counter[tuple[str, str]] = Counter()
    for row in rows:
        compiled[row.type, row.status] += row.count
    return tuple(
        CountDifference(kind, status, predicted[kind, status], compiled[kind, status])
        for kind, status in sorted(predicted.keys() | compiled.keys())
        if predicted[kind, status] != compiled[kind, status]
    )
