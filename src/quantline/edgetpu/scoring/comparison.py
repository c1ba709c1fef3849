"""The prediction of a model against its compiled file, operator by operator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quantline.edgetpu.compiled.match import match
from quantline.edgetpu.vocabulary import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quantline.edgetpu.compiled.match import Match
    from quantline.edgetpu.mapping.report import MappingReport, OperatorVerdict
    from quantline.edgetpu.vocabulary import Placement
    from quantline.tflite.graph import Graph


@dataclass(frozen=True)
class Miss:
    """An operator that was predicted otherwise than it was placed."""

    predicted: OperatorVerdict  # the prediction, with the rule that it rests on
    actual: Placement

    def to_dict(self) -> dict[str, Any]:
        """Return the miss as plain data, ready for JSON."""
        return {**self.predicted.to_dict(), "actual": str(self.actual)}


@dataclass(frozen=True)
class Comparison:
    """The prediction of a model against its compiled file."""

    operators: int  # the number of operators of the model, dead ones included
    placed: Match
    misses: tuple[Miss, ...]  # those that were predicted wrongly or as `unknown`
    subgraphs_predicted: int
    subgraphs_compiled: int

    @property
    def is_exact(self) -> bool:
        """Return whether every operator and the number of subgraphs were predicted rightly."""
        return not self.misses and self.subgraphs_predicted == self.subgraphs_compiled

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain data, ready for JSON."""
        return {
            "evidence": {"compiled": str(Evidence.PARSED), "predicted": str(Evidence.PREDICTED)},
            "exact": self.is_exact,
            "misses": [miss.to_dict() for miss in self.misses],
            "operators": self.operators,
            "right": self.operators - len(self.misses),
            "subgraphs": {
                "compiled": self.subgraphs_compiled,
                "predicted": self.subgraphs_predicted,
            },
        }


def compare(report: MappingReport, original: Graph, compiled: Graph) -> Comparison:
    """Compare a prediction with a compiled file.

    Raises:
        MismatchError: The compiled file was made from another model.
    """
    found = match(original, compiled)
    return Comparison(
        operators=len(report.operators),
        placed=found,
        misses=find_misses(report, found.placements),
        subgraphs_predicted=report.subgraphs,
        subgraphs_compiled=len(found.subgraphs),
    )


def find_misses(report: MappingReport, placements: Iterable[Placement]) -> tuple[Miss, ...]:
    """Return the operators that were predicted otherwise than they were placed."""
    return tuple(
        Miss(predicted, actual)
        for predicted, actual in zip(report.operators, placements, strict=True)
        if predicted.target is not actual
    )
