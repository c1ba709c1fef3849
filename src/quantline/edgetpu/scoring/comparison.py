"""The prediction of a model against its compiled file, operator by operator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quantline.edgetpu.compiled.match import match
from quantline.edgetpu.scoring.score import Miss
from quantline.edgetpu.vocabulary import Evidence, Placement

if TYPE_CHECKING:
    from quantline.edgetpu.compiled.match import Match
    from quantline.edgetpu.mapping.report import MappingReport
    from quantline.tflite.graph import Graph


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


def compare(report: MappingReport, original: Graph, compiled: Graph) -> Comparison:
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
            (Placement.EDGETPU, found.edgetpu),
            (Placement.CPU, found.cpu),
            (Placement.DEAD, found.dead),
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
