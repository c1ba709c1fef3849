"""Limits of single metrics, and what a change may cost."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.release.gate.cases import EXAMPLES, manifest, row, table

from quantline import recipe
from quantline.errors import ParameterError
from quantline.release.gate import judge

if TYPE_CHECKING:
    from tests.release.gate.cases import Case


def limited(case: Case, **limits: Any) -> dict[str, Any]:
    (rule,) = limits
    name = rule.replace("__", ".")
    gate = replace(case, rules={"absolute": {name: limits[rule]}}).judge()
    return row(gate, f"absolute.{name}")


def test_a_limit_is_kept_or_broken_at_either_end(case: Case) -> None:
    name = "edgetpu_report__mapped_share"
    kept = limited(case, **{name: {"min": 0.75, "max": 0.75}})
    assert kept["passed"]
    assert (kept["value"], kept["evidence"]) == (0.75, "predicted")
    assert limited(case, **{name: {"min": 0.76}})["why"] == "0.75 is below 0.76."
    assert limited(case, **{name: {"max": 0.7}})["why"] == "0.75 is above 0.7."


def test_the_value_counts_and_its_interval_is_shown(case: Case) -> None:
    found = limited(replace(case, wrong=frozenset(range(5))), int8_metrics__top1={"min": 0.995})
    assert found["passed"]
    assert found["interval"][0] < 0.995 < found["interval"][1]
    assert found["limit"] == {"min": 0.995}


def test_a_missing_metric_fails_with_its_close_matches(case: Case) -> None:
    found = limited(case, int8_metrics__top_1={"min": 0.9})
    assert found["passed"] is False
    assert found["why"].startswith("The metric 'int8_metrics.top_1' is missing. Did you mean")
    assert "'int8_metrics.top1'" in found["why"]


@pytest.mark.parametrize("value", ["fast", True, float("nan"), float("inf")])
def test_what_is_no_finite_number_fails(case: Case, value: Any) -> None:
    found = limited(replace(case, reports={"latency": {"int8": value}}), latency__int8={"max": 9})
    assert found["passed"] is False
    assert "is no finite number" in found["why"]


@pytest.mark.parametrize(
    ("limit", "expected"),
    [(0.9, "'min', 'max' or both"), ({"min": 2, "max": 1}, "not above"), ({"mn": 1}, "top1.mn")],
)
def test_a_limit_that_is_none_is_a_mistake(limit: Any, expected: str) -> None:
    with pytest.raises(ParameterError, match=expected):
        recipe.check(recipe.Gate, {"absolute": {"int8_metrics.top1": limit}})


@pytest.mark.parametrize("limit", [None, {}, {"min": None, "max": None}])
def test_a_limit_is_taken_back_by_null(limit: Any) -> None:
    assert recipe.check(recipe.Gate, {"absolute": {"int8_metrics": {"top1": limit}}}).absolute == {}


def test_levels_and_dots_name_the_same_metric() -> None:
    for limits in ({"int8_metrics": {"top1": {"min": 0.9}}}, {"int8_metrics.top1": {"min": 0.9}}):
        (found,) = recipe.check(recipe.Gate, {"absolute": limits}).absolute.items()
        assert found == ("int8_metrics.top1", recipe.Limit(min=0.9))


def test_the_margin_decides_on_the_same_counts(case: Case) -> None:
    worse = replace(case, wrong=frozenset(range(20)))

    def outcome(margin: float) -> str:
        rules = {"against_float": {"top1_margin_points": margin}}
        found = row(replace(worse, rules=rules).judge(), "against_float.top1_margin_points")
        assert found["value"] == pytest.approx(-2.0)
        assert found["baseline"] == 100.0
        assert found["limit"] == {"min": -margin}
        return str(found["outcome"])

    assert [outcome(item) for item in (0.5, 2.5, 5.0)] == ["failed", "undecided", "passed"]


def test_at_the_margin_itself_no_number_of_examples_decides(case: Case) -> None:
    gate = replace(case, wrong=frozenset(range(10))).judge()
    found = row(gate, "against_float.top1_margin_points")
    assert (found["outcome"], found["examples_needed"]) == ("undecided", None)
    assert "no number of examples would decide" in found["why"]
    assert gate["examples_needed"] is None


def test_a_fallen_class_is_named_though_the_whole_is_no_worse(case: Case) -> None:
    # Class 4 loses 12 of 100; on the whole that is 1.2 points, within a margin of 3.
    wrong = frozenset(range(4, 124, 10))
    rules = {"against_float": {"top1_margin_points": 3.0, "loss_margin": None}}
    gate = replace(case, wrong=wrong, rules=rules, champion=None).judge()
    assert row(gate, "against_float.top1_margin_points")["passed"]
    found = row(gate, "against_float.regressed_classes")
    assert (found["passed"], found["value"]) == (False, 1)
    assert "4 (-12.0 points)" in found["why"]
    rules["against_float"]["regressed_classes"] = 1
    assert replace(case, wrong=wrong, rules=rules, champion=None).judge()["verdict"] == "passed"


def test_the_loss_is_judged_by_its_interval(case: Case) -> None:
    def outcome(loss: float) -> str:
        gate = replace(case, loss=loss, wrong=frozenset({5, 6})).judge()
        found = row(gate, "against_float.loss_margin")
        assert found["value"] == pytest.approx(loss - 0.2 + 2 / EXAMPLES)
        assert found["interval"][0] <= found["value"] <= found["interval"][1]
        return str(found["outcome"])

    assert [outcome(item) for item in (0.1, 0.2, 0.248, 0.4)] == [
        "passed",
        "passed",
        "undecided",
        "failed",
    ]


def test_mean_confidence_may_be_off_either_way(case: Case) -> None:
    evidence = case.evidence()
    rules = recipe.check(recipe.Gate, {"against_float": {"confidence_margin": 0.05}})
    rule = "against_float.confidence_margin"
    assert row(judge(evidence, rules), rule)["passed"]
    for confidence in (0.8, 1.0):
        table_ = evidence.int8_predictions
        at = table_.schema.get_field_index("confidence")
        changed = table_.set_column(at, table_.schema.field(at), [[confidence] * EXAMPLES])
        found = row(judge(replace(evidence, int8_predictions=changed), rules), rule)
        assert found["outcome"] == "failed"
        assert found["limit"] == {"min": -0.05, "max": 0.05}


def test_top5_is_asked_for_by_its_margin(case: Case) -> None:
    rules = {"against_float": {"top5_margin_points": 1.0}}
    found = row(replace(case, wrong=frozenset(range(30)), rules=rules).judge(),
                "against_float.top5_margin_points")  # fmt: skip
    assert found["passed"]
    assert "(0 lost, 0 won)" in found["why"]


def test_without_labels_accuracy_is_missing_and_fails(case: Case) -> None:
    blind = table(set(), unlabelled=True)
    evidence = replace(
        case.evidence(),
        float_predictions=blind,
        int8_predictions=blind,
        champion=None,
        manifest=manifest(),
    )
    gate = judge(evidence, recipe.Gate())
    assert gate["verdict"] == "refused"
    assert len([item for item in gate["reasons"] if "has a label" in item]) == 3
    assert gate["changes"] == {"against_float": None, "against_champion": None}


def test_a_larger_file_is_held_against_the_champions(case: Case) -> None:
    found = row(replace(case, champion={"size_bytes": 600}).judge(),
                "against_champion.size_growth")  # fmt: skip
    assert found["value"] == pytest.approx(700 / 600 - 1)
    assert (found["passed"], found["baseline"]) == (False, 600)


def test_latency_is_judged_where_both_were_timed_by_turns(case: Case) -> None:
    rule = "against_champion.latency_growth"
    slow = {"speed_ratio": 0.5, "speed_ratio_low": 0.4, "speed_ratio_high": 0.625}
    latency = {"evidence": "measured", "champion": {}, "int8": slow}
    found = row(replace(case, champion={"latency": latency}).judge(), rule)
    assert (found["passed"], found["value"], found["evidence"]) == (False, 1.0, "measured")
    assert found["interval"] == pytest.approx([0.6, 1.5])
    missing = row(replace(case, champion={"latency": None}).judge(), rule)
    assert missing["passed"] is False
    assert "was not timed by turns with the champion" in missing["why"]
    asked = {"against_champion": {"latency_growth": None}}
    gate = replace(case, champion={"latency": None}, rules=asked).judge()
    assert gate["verdict"] == "passed"
