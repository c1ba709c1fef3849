"""In how many independent models rules were seen: counted by hand, and on other people's models."""

from __future__ import annotations

from itertools import chain

import pytest
from benchmarks.edgetpu_rules import Observed, family, kinds_seen, observe, rules_seen
from tests.edgetpu import pairs

from quantline.edgetpu.cost.rules import COUNTED, PUBLISHED, RULES, exactly
from quantline.edgetpu.mapping.seen import seen_in_models
from quantline.edgetpu.vocabulary import Status


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("N100-nMACs1485619200_quant", "N"),
        ("model_padding_128x128x3", "model_padding"),
        ("dense_1024", "dense"),
        ("mobilenet_v1_0.25_128_quant", "mobilenet_v1"),
        ("mobilenet_v2_1.0_224_quant", "mobilenet_v2"),
        ("posenet_mobilenet_v1_075_353_481_16_quant_decoder", "posenet_mobilenet_v1"),
        ("model_size_channel132_quant", "model_size_channel_quant"),
        ("128", "128"),
    ],
)
def test_sizes_make_no_family_of_their_own(stem: str, name: str) -> None:
    assert family(stem) == name


def model(name: str, predicted: int, true: int, rule: str = "biases") -> Observed:
    return Observed(name, (exactly(rule, predicted),), true, frozenset({f"{name}: MAPPED"}))


def test_families_count_once_and_only_where_the_sum_is_right() -> None:
    models = [
        model("a", 100_000, 100_000),
        model("a", 200_000, 200_000),
        model("b", 100_000, 100_900),
        model("c", 100_000, 102_000),
        model("d", 100_000, 100_000, "few outputs"),
    ]
    assert rules_seen(models) == {"biases": 2, "few outputs": 1}
    assert kinds_seen(models) == {f"{name}: MAPPED": 1 for name in "abcd"}


@pairs.all_needed
def test_the_counts_that_are_shown_are_those_of_other_people_s_models() -> None:
    models = observe(pairs.FOLDERS)
    assert len({other.family for other in models}) == COUNTED
    seen = rules_seen(models)
    assert {name: rule.seen_in_models for name, rule in RULES.items()} == {
        name: seen.get(name, 0) + PUBLISHED.get(name, 0) for name in RULES
    }
    for name, count in kinds_seen(models).items():
        kind, status = name.split(": ")
        assert seen_in_models(kind, Status[status]) == count
    parts = chain.from_iterable(other.parts for other in models)
    assert {part.rule.name for part in parts} <= set(RULES)
