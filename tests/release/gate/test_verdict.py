"""The whole verdict: what passes, what is refused, what is undecided, and what is reported."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.release.gate.cases import EXAMPLES, manifest, ranges, row, table
from tests.tflite.tiny_model import file

from quantline import recipe
from quantline.errors import MismatchError, ResultMissing
from quantline.files import canonical_json
from quantline.release.gate import evaluation_sha256, gate_text, judge, require_same_ports

if TYPE_CHECKING:
    from tests.release.gate.cases import Case


def test_a_sound_candidate_passes_every_rule(case: Case) -> None:
    gate = replace(case, rules={"absolute": {"int8_metrics.top1": {"min": 0.9}}}).judge()
    assert gate["verdict"] == "passed"
    assert gate["reasons"] == []
    assert {other["passed"] for other in gate["rules"]} == {True}
    assert [other["rule"] for other in gate["rules"]] == [
        "structural.recipe",
        "structural.integer_only",
        "structural.target",
        "structural.input_type",
        "structural.output_type",
        "structural.golden_vectors",
        "structural.loads_and_predicts",
        "absolute.int8_metrics.top1",
        "against_float.top1_margin_points",
        "against_float.loss_margin",
        "against_float.regressed_classes",
        "against_champion.top1_margin_points",
        "against_champion.loss_margin",
        "against_champion.regressed_classes",
        "against_champion.size_growth",
        "against_champion.latency_growth",
    ]


def test_it_is_plain_data_and_the_same_each_time(case: Case) -> None:
    unsure = replace(case, wrong=frozenset(range(0, 60, 7)), loss=0.21)
    assert canonical_json(unsure.judge()) == canonical_json(unsure.judge())


def test_one_broken_rule_refuses_and_the_others_are_judged_all_the_same(case: Case) -> None:
    limits = {"int8_metrics.top1": {"min": 0.999}, "int8_metrics.loss": {"max": 1}}
    wrong = frozenset(range(2))
    gate = replace(case, wrong=wrong, rules={"absolute": limits}).judge()
    assert gate["verdict"] == "refused"
    assert len(gate["rules"]) == 17
    assert gate["reasons"] == ["absolute.int8_metrics.top1: 0.998 is below 0.999."]


def test_undecided_is_a_verdict_and_does_not_pass(case: Case) -> None:
    # 8 of 1000 lost, none won: at 95 % no more than 1 point is not sure.
    rules = {"against_float": {"loss_margin": None}, "against_champion": {"loss_margin": None}}
    gate = replace(case, wrong=frozenset(range(8)), rules=rules).judge()
    assert gate["verdict"] == "undecided"
    against_float = row(gate, "against_float.top1_margin_points")
    assert (against_float["outcome"], against_float["passed"]) == ("undecided", False)
    needed = [item["examples_needed"] for item in gate["rules"] if item["examples_needed"]]
    assert gate["examples_needed"] == max(needed)
    assert f"{max(needed):,} more examples would decide" in gate_text(gate)


UNSURE = frozenset(range(8))
TRIED = {"trials": [{"method": "minmax"}, {"method": "mse"}]}


@pytest.mark.parametrize(
    ("wrong", "about", "texts"),
    [
        (UNSURE, {"method": "minmax", "search": None}, ["auto", "bias_correction", "layers"]),
        (UNSURE, {"method": "minmax", "search": {"trials": [{"method": "mse"}] * 2}},
         ["auto", "layers"]),
        (UNSURE, {"method": "minmax", "search": TRIED, "samples": 100},
         ["more than the 100 calibration examples", "layers"]),
        (UNSURE, {"method": None}, []),
        (frozenset(), {"method": "minmax", "search": None}, []),
    ],
)  # fmt: skip
def test_what_may_help_is_said_where_quantization_costs_accuracy(
    case: Case, wrong: frozenset[int], about: dict[str, Any], texts: list[str]
) -> None:
    recipe_ = {**case.evidence().reports["recipe"], **about}
    limits = {"int8_metrics.top1": {"min": 1.1}}
    gate = replace(
        case, wrong=wrong, reports={"recipe": recipe_}, rules={"absolute": limits}
    ).judge()
    assert gate["verdict"] == "refused"
    assert len(gate["advice"]) == len(texts)
    for advice, text in zip(gate["advice"], texts, strict=True):
        assert text in advice
        assert f"what may help: {advice}" in gate_text(gate)


def test_a_candidate_that_passes_gets_no_advice(case: Case) -> None:
    assert case.judge()["advice"] == []


def test_refused_outweighs_undecided(case: Case) -> None:
    limits = {"int8_metrics.top1": {"min": 1.0}}
    gate = replace(case, wrong=frozenset(range(8)), rules={"absolute": limits}).judge()
    assert gate["verdict"] == "refused"
    assert len(gate["reasons"]) >= 2


def test_without_a_champion_its_rules_are_skipped_and_said_so(case: Case) -> None:
    gate = replace(case, champion=None).judge()
    assert gate["verdict"] == "passed"
    skipped = [other for other in gate["rules"] if other["passed"] is None]
    assert {other["rule"].split(".")[0] for other in skipped} == {"against_champion"}
    assert len(skipped) == 5
    assert {item["why"] for item in skipped} == {"There is no champion yet."}
    assert (gate["champion"], gate["range_drift"]) == (None, None)
    assert gate["changes"]["against_champion"] is None


def test_a_champion_of_another_manifest_is_not_compared_with(case: Case) -> None:
    other = evaluation_sha256(manifest(content="b"))
    with pytest.raises(MismatchError, match=r"version 3.*Evaluate the champion anew"):
        replace(case, champion={"evaluation_sha256": other}).judge()


def test_predictions_of_other_examples_are_refused(case: Case) -> None:
    evidence, gate = case.evidence(), recipe.Gate()
    with pytest.raises(ResultMissing, match="not of the manifest's examples"):
        judge(replace(evidence, int8_predictions=table(set()).slice(1)), gate)
    with pytest.raises(ResultMissing, match="not evaluated on the same examples"):
        judge(replace(evidence, float_predictions=table(set()).slice(1)), gate)


def test_the_manifests_hash_knows_ids_labels_and_contents() -> None:
    changed: list[dict[str, Any]] = [manifest(), manifest("b")]
    for key, value in (("id", "other"), ("label", 7)):
        changed.append(manifest())
        changed[-1]["evaluation"]["examples"][3][key] = value
    changed.append(manifest())
    changed[-1]["evaluation"]["split"] = "test"
    hashes = [evaluation_sha256(other) for other in changed]
    assert len(set(hashes)) == 4
    assert hashes[-1] == hashes[0]


def test_flipped_examples_are_named(case: Case) -> None:
    changes = replace(case, wrong=frozenset({1, 30})).judge()["changes"]
    assert changes["against_float"]["lost"] == ["example 1", "example 30"]
    assert changes["against_float"]["won"] == []
    champion = changes["against_champion"]
    assert (champion["lost"], champion["won"]) == (["example 30"], ["example 0"])
    assert champion["examples"] == EXAMPLES
    assert [example["label"] for example in champion["classes"]] == list(range(10))


def test_the_drift_of_ranges_is_reported_tensor_by_tensor(case: Case) -> None:
    drift = case.judge()["range_drift"]
    assert drift["tensors"][0] == {
        "name": "image",
        "tensor": 0,
        "min_steps": 0.0,
        "max_steps": pytest.approx(0.5 * 255),
    }
    assert drift["tensors"][1]["max_steps"] == 0.0
    other = replace(case, champion={"ranges": ranges(name="another")}).judge()
    assert other["verdict"] == "passed"
    assert other["range_drift"]["tensors"] is None
    assert "not of the same tensors" in other["range_drift"]["why"]


def test_the_text_says_first_what_stands_in_the_way(case: Case) -> None:
    limits = {"int8_metrics.top1": {"min": 1.0}}
    gate = replace(case, wrong=frozenset({3}), rules={"absolute": limits}).judge()
    short = gate_text(gate).splitlines()
    lines = gate_text(gate, every_rule=True).splitlines()
    assert len(short) == 2
    assert short[0] == lines[0]
    assert short[1] == "failed  absolute.int8_metrics.top1  0.999 is below 1."
    assert lines[0] == "refused: of 16 rules 1 failed, 15 passed; champion: version 3"
    assert lines[1].startswith("failed  absolute.int8_metrics.top1")
    assert lines[1].endswith("0.999 is below 1.")
    assert "against champion: 1 of 1,000 examples lost, 2 won" in lines
    assert lines[-1].endswith("that of 'image', by +127.5 int8 steps")
    without = gate_text(replace(case, champion=None).judge()).splitlines()
    assert len(without) == 1
    assert without[0] == "passed: of 15 rules 10 passed, 5 skipped; no champion"


def test_a_model_for_something_else_is_no_champion_of_this_one() -> None:
    def wider(model: Any) -> None:
        (main,) = model.subgraphs
        main.tensors[main.inputs[0]].shape = [1, 7]

    require_same_ports(file(), file())
    with pytest.raises(MismatchError, match=r"something else.*`release_model`"):
        require_same_ports(file(wider), file())
