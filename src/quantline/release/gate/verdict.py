"""The verdict on a candidate: every rule is judged, and all of them count."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quantline.errors import MismatchError
from quantline.ranges.convergence import drift
from quantline.release.gate.absolute import absolute
from quantline.release.gate.advice import advise
from quantline.release.gate.change import Compared, asked_of, changes
from quantline.release.gate.evidence import Metrics
from quantline.release.gate.growth import GROWTH_RULES, SECTION, growth
from quantline.release.gate.row import Outcome, Row
from quantline.release.gate.structural import structural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantline import recipe
    from quantline.release.gate.evidence import Champion, Evidence
    from quantline.tasks import ChosenTask


def judge(evidence: Evidence, rules: recipe.Gate) -> dict[str, Any]:
    """Judge a candidate by all rules.

    The candidate passes where no rule fails and none is undecided. As every rule must pass, having
    many of them makes a wrong pass no more likely: R. L. Berger, Multiparameter hypothesis testing
    and acceptance sampling, Technometrics 24 (1982), 295-300.

    Args:
        evidence: What the stages wrote, and the champion.
        rules: The parameters of the gate.

    Returns:
        The content of ``gate.json``: ``verdict`` (``passed``, ``refused``, or ``undecided``, which
        does not pass), ``reasons`` for it, ``advice`` on what may help, ``rules`` with a row each,
        ``changes`` against the float model and the champion (flipped examples, classes), and
        ``range_drift``.

    Raises:
        ResultMissing: The predictions are not of the manifest's examples.
        MismatchError: The champion was evaluated on other examples.
    """
    evidence.require_comparable()
    metrics, champion = Metrics(evidence.reports), evidence.champion
    float_comparison = Compared.of(
        "the float model", evidence.float_predictions, evidence.int8_predictions, rules,
        evidence.task,
    )  # fmt: skip
    champion_comparison = None if champion is None else Compared.of(
        f"the champion, {champion.name}", champion.predictions, evidence.int8_predictions, rules,
        evidence.task,
    )  # fmt: skip
    rows = [
        *structural(evidence, metrics),
        *absolute(rules.limits_of(evidence.model), metrics),
        *changes("against_float", float_comparison, rules.against_float, evidence.task),
    ]
    if champion is None:
        rows += _skipped(rules.against_champion, evidence.task)
    else:
        rows += changes(SECTION, champion_comparison, rules.against_champion, evidence.task)
        rows += growth(champion, len(evidence.int8_model), rules.against_champion)
    return {
        **_verdict(rows),
        "advice": advise(rows, float_comparison, evidence.reports["recipe"]),
        "champion": None if champion is None else champion.name,
        "confidence": rules.confidence,
        "rules": [row.to_dict() for row in rows],
        "changes": {
            "against_float": None if float_comparison is None else float_comparison.to_dict(),
            SECTION: None if champion_comparison is None else champion_comparison.to_dict(),
        },
        "range_drift": None if champion is None else _drift(champion, evidence),
    }


def _verdict(rows: Sequence[Row]) -> dict[str, Any]:
    failed = [row for row in rows if row.outcome is Outcome.FAILED]
    undecided = [row for row in rows if row.outcome is Outcome.UNDECIDED]
    needed = [item.examples_needed for item in undecided]
    known = [item for item in needed if item is not None]
    return {
        "verdict": "refused" if failed else "undecided" if undecided else "passed",
        "reasons": [f"{finding.rule}: {finding.why}" for finding in (*failed, *undecided)],
        "examples_needed": max(known) if known and len(known) == len(needed) else None,
    }


def _skipped(rules: recipe.ChampionChange, task: ChosenTask) -> list[Row]:
    asked = [*(name for name in GROWTH_RULES if getattr(rules, name) is not None)]
    asked = [*asked_of(rules, task), *asked]
    why = "There is no champion yet."
    return [Row(f"{SECTION}.{name}", Outcome.SKIPPED, why) for name in asked]


def _drift(champion: Champion, evidence: Evidence) -> dict[str, Any]:
    """Return by how much each range moved since the champion, the largest move first."""
    try:
        moved = drift(champion.ranges, evidence.ranges)
    except MismatchError as error:
        return {"evidence": "measured", "why": f"{error.what}: {error.found}.", "tensors": None}
    tensors = [
        {
            "name": tensor.name,
            "tensor": tensor.index,
            "min_steps": tensor.min_steps,
            "max_steps": tensor.max_steps,
        }
        for tensor in moved
    ]
    return {"evidence": "measured", "why": None, "tensors": tensors}
