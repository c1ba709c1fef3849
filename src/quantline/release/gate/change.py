"""Rules about the change from another model: what it may cost in accuracy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quantline.errors import suggest
from quantline.evaluation.pairs import pair
from quantline.evaluation.predict import CLASSIFICATION
from quantline.metrics import RULES, Comparison
from quantline.metrics._change import judge_margin
from quantline.metrics._statistic import metric_change
from quantline.release.gate.row import Outcome, Row

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from quantline import recipe
    from quantline.metrics import Judgement, Metric, Pairs, Rule
    from quantline.stats.interval import Interval
    from quantline.tasks import ChosenTask

MARGINS = "margins"
_BY_VERDICT = {
    "no worse": Outcome.PASSED,
    "worse": Outcome.FAILED,
    "undecided": Outcome.UNDECIDED,
}


@dataclass(frozen=True, eq=False)
class Compared:
    """A candidate and a reference on the same examples, and what changed.

    Attributes:
        comparison: Both models' predictions, and how changes are estimated.
        changes: The change that each rule of ``quantline.metrics`` is about, by the rule's name;
            for a classifier alone.
        metrics: The metrics of the task that a margin may be given for, by name.
        metric_changes: The change of each of them.
    """

    comparison: Comparison
    changes: Mapping[str, Any]
    metrics: Mapping[str, Metric]
    metric_changes: Mapping[str, Interval]

    @classmethod
    def of(
        cls,
        name: str,
        reference: pa.Table,
        candidate: pa.Table,
        gate: recipe.Gate,
        task: ChosenTask = CLASSIFICATION,
    ) -> Compared | None:
        """Compare the predictions of two models; None where no example has a label.

        Raises:
            ResultMissing: They are not of the same examples.
            DataError: A metric of the task is not a number on these examples.
        """
        pairs = pair(reference, candidate)
        if not len(pairs):
            return None
        comparison = Comparison(name, pairs, gate.confidence, gate.seed, gate.resamples)
        rules = _rules(task)
        every = task.metrics(list(pairs.reference.columns))
        metrics = {name: metric for name, metric in every.items() if metric.statistic is not None}
        return cls(
            comparison,
            {name: rule.change(comparison) for name, rule in rules.items()},
            metrics,
            {
                name: metric_change(metric, comparison, gate.confidence)
                for name, metric in metrics.items()
            },
        )

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
                if rule.report_as is not None and name in self.changes
            },
            **{f"{name}_change": change._asdict() for name, change in self.metric_changes.items()},
        }


def asked_of(rules: recipe.Change, task: ChosenTask) -> list[str]:
    """Return the names of the rules about changes that are on, for a task."""
    own = [name for name in _rules(task) if getattr(rules, name) is not None]
    return own + [f"{MARGINS}.{name}" for name, margin in _margins(rules, task).items() if margin]


def changes(
    section: str,
    compared: Compared | None,
    rules: recipe.Change,
    task: ChosenTask = CLASSIFICATION,
) -> list[Row]:
    """Judge what a change costs in accuracy; a rule that is None has no row.

    Args:
        section: The place of the rules: ``against_float`` or ``against_champion``.
        compared: The candidate and the reference; None where no example has a label.
        rules: The allowed changes.
        task: The meaning of the models' outputs.
    """
    rows = []
    for name in asked_of(rules, task):
        label = f"{section}.{name}"
        if compared is None:
            why = "No evaluation example has a label, so that nothing is right or wrong."
            rows.append(Row(label, Outcome.FAILED, why))
            continue
        if name in compared.changes:
            rule, allowed = RULES[name], getattr(rules, name)
            found = rule.judge(compared.comparison, compared.changes[name], allowed)
            rows.append(_row(label, found))
            continue
        metric = name.removeprefix(f"{MARGINS}.")
        if metric not in compared.metrics:
            known = list(compared.metrics)
            why = f"The task has no metric '{metric}' to compare. {suggest(metric, known)}".rstrip()
            rows.append(Row(label, Outcome.FAILED, f"{why} It has {', '.join(known) or 'none'}."))
            continue
        margin, change = _margins(rules, task)[metric], compared.metric_changes[metric]
        found = judge_margin(compared.metrics[metric], compared.comparison, change, margin)
        rows.append(_row(label, found))
    if not rows and task.name != CLASSIFICATION.name:
        metrics = {} if compared is None else compared.metrics
        rows.append(_no_margin(section, next(iter(metrics), "METRIC")))
    return rows


def _rules(task: ChosenTask) -> Mapping[str, Rule]:
    """Return the rules that have a parameter of their own: they are about classifiers."""
    return RULES if task.name == CLASSIFICATION.name else {}


def _margins(rules: recipe.Change, task: ChosenTask) -> dict[str, float]:
    """Return the margins: those that metrics declare, and the user's over them."""
    declared = {
        name: metric.margin
        for name, metric in task.metrics([]).items()
        if metric.statistic is not None and metric.margin is not None
    }
    return {name: margin for name, margin in {**declared, **rules.margins}.items()
            if margin is not None}  # fmt: skip


def _no_margin(section: str, metric: str) -> Row:
    why = (
        "It is not said how much worse the metrics of the task may be; set "
        f"'gate.{section}.{MARGINS}.{metric}' in its own unit."
    )
    return Row(f"{section}.{MARGINS}", Outcome.UNDECIDED, why)


def _row(label: str, found: Judgement) -> Row:
    return Row(
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
