"""The page of the rules and the registry that it describes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.conftest import PROJECT

from quantline.contract.rules import RULES
from quantline.contract.specification import SPECIFICATION

if TYPE_CHECKING:
    from quantline.contract.specification import TensorSpecification

PAGE = PROJECT / "docs/specification.md"


def rule_row(name: str) -> str:
    rule = RULES[name]
    return f"| `{name}` | {rule.severity} | {rule.meaning} | {rule.source} |"


def operator_row(name: str) -> str:
    said = SPECIFICATION[name]
    fixed = said.outputs[0].fixed if said.outputs[0] else None
    return (
        f"| {name} | {' '.join(map(short, said.inputs))} | {' '.join(map(short, said.outputs))} | "
        f"{'yes' if said.same_scale else f'input {said.state}' if said.state else ''} | "
        f"{f'{fixed[0]:g}, {fixed[1]}' if fixed else ''} | {'yes' if said.has_int16 else 'no'} | "
        f"{said.source} |"
    )


def short(said: TensorSpecification | None) -> str:
    if said is None:
        return "-"
    if said.role == "weights":
        return "w" if said.axis is None else f"w[{said.axis}]"
    if said.role == "bias":
        return "b"
    if len(said.int8) > 1:
        return "any"
    return "a" if "int8" in said.int8 else "2^n" if said.power_of_two else "a16"


def test_the_page_has_each_rule_and_each_operator_and_no_other() -> None:
    rows = [part for part in PAGE.read_text().splitlines() if part.startswith("| ")]
    rules = [row for row in rows if row.startswith("| `")]
    assert rules == [rule_row(name) for name in RULES]
    operators = [row for row in rows if row.split()[1] in SPECIFICATION]
    assert operators == [operator_row(name) for name in sorted(SPECIFICATION)]


def test_every_rule_says_what_it_demands_and_why() -> None:
    for name, rule in RULES.items():
        assert rule.meaning, name
        assert rule.source, name
