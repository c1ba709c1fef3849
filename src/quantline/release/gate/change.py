"""Rules about the change from another model: what it may cost in accuracy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quantline.evaluation.pairs import pair
from quantline.metrics import RULES, Comparison
from quantline.release.gate.row import Outcome, Row

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from quantline import recipe
    from quantline.metrics import Pairs

_BY_VERDICT = {
    "no worse": Outcome.PASSED,
    "worse": Outcome.FAILED,
    "undecided": Outcome.UNDECIDED,
}


@dataclass(frozen=True, eq=False)
class Compared:
    """A candidate and a reference on the same labelled examples, and what changed.

    Attributes:
        comparison: Both models' predictions, and how changes are estimated.
        changes: The change that each rule of ``quantline.metrics`` is about, by the rule's name.
    """

    comparison: Comparison
    changes: Mapping[str, Any]

    @classmethod
    def of(
        cls, name: str, reference: pa.Table, candidate: pa.Table, gate: recipe.Gate
    ) -> Compared | None:
        """Compare the predictions of two models; None where no example has a label.

        Raises:
            ResultMissing: They are not of the same examples.
        """
        pairs = pair(reference, candidate)
        if not len(pairs):
            return None
        comparison = Comparison(name, pairs, gate.confidence, gate.seed, gate.resamples)
        return cls(comparison, {name: rule.change(comparison) for name, rule in RULES.items()})

    @property
    def pairs(self) -> Pairs:
        """The predictions of both models."""
        return self.comparison.pairs

    def to_dict(self) -> dict[str, Any]:
        """Return what changed as plain data: which examples flipped, and what rules are about."""
        ids = self.pairs.reference.ids
        return {
            "evidence": "measured",
            "examples": len(self.pairs),
            "lost": ids[self.pairs.lost()].tolist(),
            "won": ids[self.pairs.won()].tolist(),
            **{
                rule.report_as: rule.to_json(self.changes[name])
                for name, rule in RULES.items()
                if rule.report_as is not None
            },
        }


def changes(section: str, compared: Compared | None, rules: recipe.Change) -> list[Row]:
    """Judge what a change costs in accuracy; a rule that is None has no row.

    Args:
        section: Where the rules stand: ``against_float`` or ``against_champion``.
        compared: The candidate and the reference; None where no example has a label.
        rules: What a change may cost.
    """
    rows = []
    for name, rule in RULES.items():
        label, allowed = f"{section}.{name}", getattr(rules, name)
        if allowed is None:
            continue
        if compared is None:
            why = "No evaluation example has a label, so that nothing is right or wrong."
            rows.append(Row(label, Outcome.FAILED, why))
            continue
        found = rule.judge(compared.comparison, compared.changes[name], allowed)
        rows.append(
            Row(
                label,
                _BY_VERDICT[found.verdict],
                found.why,
                limit=found.limit,
                value=found.value,
                baseline=found.baseline,
                interval=found.interval,
                evidence="measured",
                examples_needed=found.examples_needed,
            )
        )
    return rows
