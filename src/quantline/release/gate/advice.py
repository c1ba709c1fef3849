"""Advice for a candidate that does not pass, besides more examples to judge it by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quantline.metrics import METRICS
from quantline.release.gate.row import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quantline.release.gate.change import Compared
    from quantline.release.gate.row import Row

_ACCURACY = (*METRICS, "agreement")


def advise(
    rows: Sequence[Row], float_comparison: Compared | None, recipe: Mapping[str, Any]
) -> list[str]:
    """Return what to try, where accuracy stands in the way and quantization has cost some.

    Args:
        rows: Every rule and what came of it.
        float_comparison: The candidate and the float model; None where no example has a label.
        recipe: How the candidate was quantized.
    """
    stands = [row.rule for row in rows if row.outcome in {Outcome.FAILED, Outcome.UNDECIDED}]
    if float_comparison is None or not any(_is_of_accuracy(rule) for rule in stands):
        return []
    lost, won = float_comparison.pairs.lost().sum(), float_comparison.pairs.won().sum()
    has_ranges = recipe.get("method") is not None  # none has a scheme of float activations
    if (lost <= won and float_comparison.changes["loss_margin"].value <= 0) or not has_ranges:
        return []
    search, advice = recipe.get("search"), []
    # Only 'auto' tries other methods than the one that was given.
    methods = {trial["method"] for trial in (search or {}).get("trials", ())}
    if len(methods) <= 1:
        advice.append(
            "`method='auto'` tries other ranges, and bias correction, and takes "
            "what is better than 'minmax' by more than the noise"
        )
    if search is None:
        advice.append(
            "`bias_correction=True` corrects what rounding the weights adds, where that helps"
        )
    elif len(methods) > 1:
        advice.append(
            f"more than the {recipe.get('samples')} calibration examples, with "
            "`calibration_examples`, let 'auto' see smaller gains"
        )
    advice.append(
        "'quantline layers' shows in which layers the error arises; "
        "`scheme='int8_float_fallback'` with `keep_float` leaves them in float"
    )
    return advice


def _is_of_accuracy(rule: str) -> bool:
    return any(name in rule.rpartition(".")[2] for name in _ACCURACY)
