"""``quantline edgetpu-score``: the table, every miss explained, exit statuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.commands.conftest import Desk
from tests.edgetpu import pairs, programs
from tests.edgetpu.compiling import compiled, file
from tests.edgetpu.conftest import Model

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A folder ``pairs``: one model as predicted, one all mapped against the table, one damaged."""
    model = Model()
    at = model.tensor(1, 64)
    for kind in ("RELU", "FLOOR", "FLOOR", "TANH"):
        at = model.unary(kind, at)
    graph = model.graph(at)
    folder = tmp_path / "pairs"
    folder.mkdir()
    program = programs.pair(1000)
    for name, group in (("good", {0}), ("odd", {0, 1, 2, 3}), ("damaged", {0})):
        (folder / f"{name}.tflite").write_bytes(file(graph))
        result = file(compiled(graph, group, program=program))
        (folder / f"{name}_edgetpu.tflite").write_bytes(result)
    (folder / "damaged_edgetpu.tflite").write_bytes(b"\0" * 100)
    monkeypatch.chdir(tmp_path)
    return Desk(tmp_path)


def test_a_row_a_model_and_every_miss_explained(desk: Desk) -> None:
    before = desk.files()
    done = desk.give("edgetpu-score", "pairs")
    assert (done.status, done.err) == (0, "")
    table, misses, unscored, totals = done.out.strip().split("\n\n")
    good, odd = [line.split() for line in table.splitlines()[1:]]
    rest = ["1/1", "0", "1,000", "-100.00%", "0", "0", "13"]
    assert good == ["4", "4", "0", *rest, "good.tflite"]
    assert odd == ["4", "1", "0", *rest, "odd.tflite"]
    heading, floors, tanh = misses.splitlines()
    assert heading == "Misses:"
    assert floors == (
        "  odd.tflite: operators 1, 2 FLOOR: predicted cpu, 'Operation not supported': the "
        "operator is not in the documented table (documented); the compiler mapped it"
    )
    assert tanh.startswith("  odd.tflite: operator 3 TANH: predicted cpu, 'More than one subgraph")
    assert "Not scored:\n  damaged.tflite: 'damaged_edgetpu.tflite' is not a .tflite" in unscored
    assert "models exact  1 of 2" in totals
    assert "5 of 8 right, 0 unknown (0.0%)" in totals
    assert desk.files() == before


def test_a_number_of_subgraphs_that_misses_is_told(desk: Desk) -> None:
    model = Model()
    source = model.tensor(1, 8)
    first, second = model.unary("RELU", source), model.unary("TANH", source)
    graph = model.graph(first, second)
    (desk.folder / "pairs" / "odd.tflite").write_bytes(file(graph))
    result = compiled(graph, {0}, {1})
    (desk.folder / "pairs" / "odd_edgetpu.tflite").write_bytes(file(result))
    done = desk.give("edgetpu-score", "pairs")
    assert "\n  odd.tflite: subgraphs: 1 predicted, 2 made\n" in done.out


def test_machines_are_told_every_operator_that_missed(desk: Desk) -> None:
    found = desk.give("edgetpu-score", "pairs", "--json", "--runtime-version", "14").json
    odd: dict[str, Any] = found["models"][1]
    assert (odd["model"], odd["runtime_version"]) == ("odd.tflite", 14)
    assert [operator["index"] for operator in odd["misses"]] == [1, 2, 3]
    assert odd["misses"][0]["rule"] == "the operator is not in the documented table"
    assert found["totals"]["models_exact"] == 1
    assert found["unscored"][0]["model"] == "damaged.tflite"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none"], "Found: FileNotFoundError: No such file"),
        (["pairs/good.tflite"], "Found: NotADirectoryError"),
        (["."], "There is nothing in '.' to score the predictor on. Found: pairs."),
        (["pairs", "--runtime-version", "9"], "9 is not in the range 10<=x<=14"),
        ([], "Missing argument 'FOLDER'"),
    ],
)
def test_mistakes_end_with_2(desk: Desk, arguments: list[str], said: str) -> None:
    done = desk.give("edgetpu-score", *arguments)
    assert (done.status, done.out) == (2, "")
    assert said in done.err


@pairs.needed
def test_other_people_s_models_are_scored(desk: Desk) -> None:
    done = desk.give("edgetpu-score", str(pairs.PAIRS))
    assert done.status == 0
    assert f" of {len(pairs.truth())}\n" in done.out
    assert "Not scored" not in done.out
