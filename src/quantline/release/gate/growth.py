"""Rules about what a candidate takes more of than the champion: bytes and time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantline.release.gate.evidence import Metrics
from quantline.release.gate.row import Outcome, Row, passes

if TYPE_CHECKING:
    from quantline.recipe import ChampionChange
    from quantline.release.gate.evidence import Champion

SECTION = "against_champion"


def growth(champion: Champion, size_bytes: int, rules: ChampionChange) -> list[Row]:
    """Judge size and latency against the champion; a rule that is None has no row.

    Args:
        champion: The model in use.
        size_bytes: The size of the candidate's file.
        rules: What a change may cost.
    """
    asked = ((judge, getattr(rules, name)) for name, judge in GROWTH_RULES.items())
    return [judge(champion, size_bytes, allowed) for judge, allowed in asked if allowed is not None]


def _size(champion: Champion, size_bytes: int, allowed: float) -> Row:
    value = size_bytes / champion.size_bytes - 1
    why = (
        f"{size_bytes:,} bytes are {value:+z.1%} against the {champion.size_bytes:,} of the "
        f"champion, {champion.name}; {allowed:+.1%} is allowed."
    )
    return Row(
        f"{SECTION}.size_growth",
        passes(value <= allowed),
        why,
        limit={"max": allowed},
        value=value,
        baseline=champion.size_bytes,
        evidence="measured",
    )


def _latency(champion: Champion, _: int, allowed: float) -> Row:
    rule, limit = f"{SECTION}.latency_growth", {"max": allowed}
    timed = Metrics({"latency": champion.latency or {}})
    ratio = timed.number("latency.int8.speed_ratio")
    if ratio is None:
        # Times of two runs, of two machines perhaps, are not to be compared.
        why = f"The candidate was not timed by turns with the champion, {champion.name}."
        return Row(rule, Outcome.FAILED, why, limit=limit)
    value, bounds = 1 / ratio - 1, timed.interval("latency.int8.speed_ratio")
    why = (
        f"Timed by turns, the median latency is {value:+z.1%} against the champion, "
        f"{champion.name}; {allowed:+.1%} is allowed."
    )
    return Row(
        rule,
        passes(value <= allowed),
        why,
        limit=limit,
        value=value,
        interval=None if bounds is None else (1 / bounds[1] - 1, 1 / bounds[0] - 1),
        evidence=timed.evidence("latency.int8.speed_ratio"),
    )


GROWTH_RULES = {"size_growth": _size, "latency_growth": _latency}
"""The rules about what a candidate takes more of, by the names of their parameters."""
