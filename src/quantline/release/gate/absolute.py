"""Rules about a number of one model, whatever other models give."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantline.errors import suggest
from quantline.release.gate.row import Outcome, Row, passes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quantline.recipe import Limit
    from quantline.release.gate.evidence import Metrics


def absolute(limits: Mapping[str, Limit], metrics: Metrics) -> list[Row]:
    """Hold metrics against their limits; the value itself counts, not its interval."""
    return [_row(name, limit, metrics) for name, limit in limits.items()]


def _row(name: str, limit: Limit, metrics: Metrics) -> Row:
    rule, value = f"absolute.{name}", metrics.number(name)
    asked = {key: bound for key, bound in limit.model_dump().items() if bound is not None}
    if value is None:
        found = metrics.get(name)
        why = f"The metric '{name}' is missing." if found is None else (
            f"The metric '{name}' is no finite number but {found!r}.")  # fmt: skip
        hint = suggest(name, metrics.numbers()) if found is None else ""
        return Row(rule, Outcome.FAILED, f"{why} {hint}".rstrip(), limit=asked)
    broken = [
        f"{value:.6g} is {word} {bound:.6g}."
        for bound, word, breaks in (
            (limit.min, "below", limit.min is not None and value < limit.min),
            (limit.max, "above", limit.max is not None and value > limit.max),
        )
        if breaks
    ]
    bounds = " and ".join(
        f"{'at least' if key == 'min' else 'at most'} {bound:.6g}" for key, bound in asked.items()
    )
    why = broken[0] if broken else f"{value:.6g} is {bounds}."
    return Row(
        rule,
        passes(not broken),
        why,
        limit=asked,
        value=value,
        interval=metrics.interval(name),
        evidence=metrics.evidence(name),
    )
