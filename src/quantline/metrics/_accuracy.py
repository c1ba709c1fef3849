"""The share of examples whose label is among a model's first classes, and its change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantline.metrics._metric import Judgement

if TYPE_CHECKING:
    from quantline.metrics._metric import Comparison
    from quantline.metrics._rows import Rows
    from quantline.stats.interval import Interval


def accuracy(rows: Rows, within: int) -> Interval:
    """Return the share of examples whose label is among the first ``within`` classes."""
    from quantline.stats.interval import wilson

    return wilson(int((rows["label_rank"] < within).sum()), len(rows))


def judge_accuracy(compared: Comparison, margin: float, within: int) -> Judgement:
    """Judge the change of the share of examples whose label is among the first classes.

    Args:
        compared: The candidate and the reference.
        margin: How much worse it may be, in percentage points.
        within: How many classes count as the first.
    """
    from quantline.stats.noninferiority import POWER, noninferiority

    pairs = compared.pairs
    lost, won = int(pairs.lost(within).sum()), int(pairs.won(within).sum())
    found = noninferiority(lost, won, len(pairs), margin, compared.confidence)
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
    return Judgement(
        found.verdict,
        why,
        limit={"min": -margin},
        value=found.difference_points,
        baseline=100 * float((pairs.reference["label_rank"] < within).mean()),
        interval=(found.low_points, found.high_points),
        examples_needed=found.examples_needed,
    )
