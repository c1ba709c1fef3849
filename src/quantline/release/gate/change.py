"""Rules about the change from another model: what it may cost in accuracy, size and latency."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

from quantline.evaluation.bootstrap import bootstrap_mean
from quantline.evaluation.noninferiority import POWER, noninferiority
from quantline.evaluation.pairs import Pairs, pair
from quantline.evaluation.per_class import ClassChange, class_changes
from quantline.release.gate.row import Outcome, Row, passes

if TYPE_CHECKING:
    import pyarrow as pa

    from quantline import recipe
    from quantline.evaluation import Interval

_BY_VERDICT = {
    "no worse": Outcome.PASSED,
    "worse": Outcome.FAILED,
    "undecided": Outcome.UNDECIDED,
}


@dataclass(frozen=True)
class Compared:
    """A candidate beside a reference on the same labelled examples.

    Attributes:
        name: What to call the reference, such as ``the float model``.
        pairs: The predictions of both; of one example at least.
        loss: The change of the mean loss, with one-sided bounds.
        confidence: The change of the mean confidence, likewise.
        classes: The change class by class.
        level: The confidence of each bound, one-sided.
    """

    name: str
    pairs: Pairs
    loss: Interval
    confidence: Interval
    classes: tuple[ClassChange, ...]
    level: float

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
        loss, confidence = (
            bootstrap_mean(item, gate.confidence, gate.seed, gate.resamples)
            for item in (pairs.loss_change, pairs.confidence_change)
        )
        classes = class_changes(pairs, gate.confidence)
        return cls(name, pairs, loss, confidence, classes, gate.confidence)

    @property
    def percent(self) -> str:
        """The confidence as text."""
        return f"{100 * self.level:g} %"

    def to_dict(self) -> dict[str, Any]:
        """Return what changed as plain data: which examples flipped, and each class."""
        return {
            "evidence": "measured",
            "examples": len(self.pairs),
            "lost": self.pairs.ids[self.pairs.lost()].tolist(),
            "won": self.pairs.ids[self.pairs.won()].tolist(),
            "loss_change": self.loss._asdict(),
            "confidence_change": self.confidence._asdict(),
            "classes": [label.to_dict() for label in self.classes],
        }


def changes(section: str, compared: Compared | None, rules: recipe.Change) -> list[Row]:
    """Judge what a change costs in accuracy; a rule that is None has no row.

    Args:
        section: Where the rules stand: ``against_float`` or ``against_champion``.
        compared: The candidate beside the reference; None where no example has a label.
        rules: What a change may cost.
    """
    rows = []
    for name, judge in _RULES.items():
        rule, allowed = f"{section}.{name}", getattr(rules, name)
        if allowed is None:
            continue
        if compared is None:
            why = "No evaluation example has a label, so that nothing is right or wrong."
            rows.append(Row(rule, Outcome.FAILED, why))
        else:
            rows.append(judge(rule, compared, allowed))
    return rows


def _top1(rule: str, compared: Compared, margin: float) -> Row:
    return _accuracy(rule, compared, margin, 1)


def _top5(rule: str, compared: Compared, margin: float) -> Row:
    return _accuracy(rule, compared, margin, 5)


def _accuracy(rule: str, compared: Compared, margin: float, within: int) -> Row:
    pairs = compared.pairs
    lost, won = int(pairs.lost(within).sum()), int(pairs.won(within).sum())
    found = noninferiority(lost, won, len(pairs), margin, compared.level)
    low, high = f"{found.low_points:+.2f}", f"{found.high_points:+.2f}"
    bounds = {
        "no worse": f"not below {low}",
        "worse": f"not above {high}",
        "undecided": f"between {low} and {high}",
    }[found.verdict]
    why = (
        f"{found.verdict.capitalize()}: top-{within} changes by {found.difference_points:+.2f} "
        f"points against {compared.name} ({lost} lost, {won} won), {bounds} at "
        f"{compared.percent} confidence; down to {-margin:+g} is allowed."
    )
    if found.examples_needed is not None:
        chance = f"with a chance of {POWER:.0%}"
        why += f" {found.examples_needed:,} more examples like these would decide {chance}."
    elif found.verdict == "undecided":
        why += " At this difference no number of examples would decide."
    return Row(
        rule,
        _BY_VERDICT[found.verdict],
        why,
        limit={"min": -margin},
        value=found.difference_points,
        baseline=100 * float((pairs.reference_ranks < within).mean()),
        interval=(found.low_points, found.high_points),
        evidence="measured",
        examples_needed=found.examples_needed,
    )


def _loss(rule: str, compared: Compared, margin: float) -> Row:
    return _mean(rule, compared, "loss", compared.loss, {"max": margin})


def _confidence(rule: str, compared: Compared, margin: float) -> Row:
    limit = {"min": -margin, "max": margin}
    return _mean(rule, compared, "mean confidence", compared.confidence, limit)


def _mean(
    rule: str, compared: Compared, what: str, change: Interval, limit: dict[str, float]
) -> Row:
    least, most = limit.get("min", -inf), limit["max"]
    if least < change.low and change.high < most:
        outcome = Outcome.PASSED
    elif change.low > most or change.high < least:
        outcome = Outcome.FAILED
    else:
        outcome = Outcome.UNDECIDED
    allowed = f"{least:+g} to {most:+g}" if "min" in limit else f"up to {most:+g}"
    why = (
        f"The {what} changes by {change.value:+.4f} against {compared.name}, between "
        f"{change.low:+.4f} and {change.high:+.4f} at {compared.percent} confidence; "
        f"{allowed} is allowed."
    )
    return Row(
        rule,
        outcome,
        why,
        limit=limit,
        value=change.value,
        interval=(change.low, change.high),
        evidence="measured",
    )


def _classes(rule: str, compared: Compared, allowed: int) -> Row:
    fallen = [label for label in compared.classes if label.fell]
    told = ", ".join(f"{item.label} ({item.change_points:+.1f} points)" for item in fallen)
    why = (
        f"{len(fallen)} of {len(compared.classes)} classes are worse than those of "
        f"{compared.name}{': ' if told else ''}{told}; {allowed} may be."
    )
    kept = len(fallen) <= allowed
    return Row(
        rule, passes(kept), why, limit={"max": allowed}, value=len(fallen), evidence="measured"
    )


_RULES = {
    "top1_margin_points": _top1,
    "top5_margin_points": _top5,
    "loss_margin": _loss,
    "confidence_margin": _confidence,
    "regressed_classes": _classes,
}
