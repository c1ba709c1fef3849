"""Table rows with what ``--method auto`` and bias correction tried."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quantline.quantization.search import CONVERTER, FEWEST
from quantline.range_methods import ChosenMethod

if TYPE_CHECKING:
    from collections.abc import Mapping

_JUDGED_BY = {
    "divergence": "the divergence of its softmax from float's",
    "noise": "the noise of its channels",
    "unequal": "equality",
}


def search_rows(search: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return rows for people: what was taken and by what margin, the runner-up, and the others."""
    baseline = _name(search["baseline"])
    if not search["trials"]:
        given = search["fitted_on"] + search["judged_on"]
        text = f"{baseline} stays: {given} samples are too few to judge by, {FEWEST} can be enough"
        return [("found", text)]
    best, *others = search["trials"]
    judged = [text for key, text in _JUDGED_BY.items() if best[key] is not None]
    rows = [("judged", f"each output by {' or '.join(judged)}, on {search['judged_on']} samples "
                       f"held back; ranges from {search['fitted_on']} others")]  # fmt: skip
    if search["overruled"] is not None:
        rows.append(("found", f"{baseline} stays: {_name(search['overruled'])} was better, but not "
                              "with the ranges of all samples"))  # fmt: skip
    elif search["little_to_gain"]:
        rows.append(("found", f"{baseline} stays: its divergence, {best['divergence']:.2g} nats, "
                              "is too small for a gain to show in decisions"))  # fmt: skip
    elif not best["is_better"]:
        rows.append(("found", f"{baseline} stays: nothing was better by more than the noise, "
                              f"{search['needed']:.2g} standard errors"))  # fmt: skip
    else:
        needed = search["needed"] * best["gain_error"]
        rows.append(("found", f"{_describe(best, baseline)}; gain {best['gain']:.2f} a sample, "
                              f"where {needed:.2f} is more than noise"))  # fmt: skip
    labels = ["runner-up", *["tried"] * len(others)]
    return rows + [
        (label, _describe(other, baseline)) for label, other in zip(labels, others, strict=False)
    ]


def _name(way: Mapping[str, Any]) -> str:
    method = ChosenMethod.from_dict(way)
    shared = ", shared scales as the converter has them" if way["shared"] == CONVERTER else ""
    return f"{method}{', biases corrected' * way['bias_correction']}{shared}"


def _describe(trial: Mapping[str, Any], baseline: str) -> str:
    agreement = trial["agreement"]
    same = "" if agreement is None else f", same top-1 {agreement:.1%}"
    return (
        f"{_name(trial)}: {1 - trial['improvement']:.1%} of what {baseline} loses, "
        f"± {trial['standard_error']:.1%}{same}"
    )
