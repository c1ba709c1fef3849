"""Findings as text, and the errors that are made of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quantline.contract import Finding
from quantline.contract.finding import describe, listed, remedies
from quantline.contract.preflight import require_quantizable
from quantline.errors import CheckFailed

FOUND = Finding(
    rule="integer.predicted", severity="integer_only", subgraph=0, operator=3, type="SIN", tensor=7,
    name="net/sin;net/add", layer="net", found="SIN has no int8 form", expected="int8",
    remedy="Use a table",
)  # fmt: skip
OTHER = replace(FOUND, operator=1, type="ELU", found="ELU has no int8 form")


def test_a_line_names_the_place() -> None:
    place = "operator 3 SIN, tensor 7 ('net/sin;net/add') of layer 'net'"
    assert describe(FOUND) == f"{place}: SIN has no int8 form"
    inside = replace(FOUND, subgraph=2, layer=None)
    assert describe(inside, whole_names=False).startswith(
        "operator 3 SIN, tensor 7 ('net/sin;…') in subgraph 2: "
    )
    assert describe(replace(FOUND, operator=None, tensor=None)) == "the model: SIN has no int8 form"


def test_many_are_counted_by_type_and_the_first_twenty_told() -> None:
    text = listed([FOUND] * 15 + [OTHER] * 10)
    assert text.startswith("(ELU 10, SIN 15): operator 1 ELU, ")
    assert text.endswith("; and 5 more")
    assert text.count("has no int8 form") == 20


def test_each_remedy_is_told_once() -> None:
    assert remedies([FOUND, FOUND], "go on") == "Use a table. Or go on"
    assert remedies([replace(FOUND, remedy=None)], "go on") == "Go on"


def test_what_is_predicted_stops_with_all_offenders() -> None:
    note = replace(FOUND, rule="predicted.kernel", severity="note", type="SQUARE")
    require_quantizable([note])
    with pytest.raises(CheckFailed) as stopped:
        require_quantizable([FOUND, OTHER, note])
    assert "2 operators that will stay float (ELU 1, SIN 1): " in stopped.value.found
    assert stopped.value.remedy.startswith("Use a table. Or replace these operators")
