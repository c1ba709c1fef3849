"""The rules as the documentation lists them, and what bounds make of a sum."""

from __future__ import annotations

from pathlib import Path

from quantline.edgetpu.cost.rules import RULES, between, exactly, total

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "edgetpu.md"


def test_the_documentation_lists_every_rule_with_its_mechanism_and_its_models():
    rows = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| ")]
    for rule in RULES.values():
        assert f"| {rule.name} | {rule.mechanism} | {rule.seen_in_models} |" in rows


def test_bounds_that_are_far_apart_make_it_unknown():
    assert total([exactly("biases", 100_000), between("few outputs", 50_000, 0)]).is_known is False
    assert total([exactly("biases", 100_000), between("few outputs", 20_000, 0)]).is_known is True
    # Of few bytes a small part is much.
    assert total([between("few outputs", 0, 4096)]).is_known is True
    assert total([between("few outputs", 0, 4097)]).is_known is False
