"""Each rule of the contract says what it demands; the page of them is written from the code."""

from __future__ import annotations

from quantline.contract.rules import RULES


def test_every_rule_says_what_it_demands_and_why() -> None:
    for name, rule in RULES.items():
        assert rule.meaning, name
        assert rule.source, name
