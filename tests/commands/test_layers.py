"""``quantline layers``: the table, the JSON, and every mistake."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from quantline.contract.golden import check
from quantline.contract.layers import compare_layers
from quantline.contract.vectors import Golden

GIVE = ["layers", "float.tflite", "int8.tflite", "--data", "samples.npz"]


@pytest.fixture
def pair(desk: Any, plain: Any) -> Any:
    """A desk with the quantized model too."""
    (desk.folder / "int8.tflite").write_bytes(plain.int8_tflite)
    return desk


def test_the_table_is_what_the_library_found(pair: Any, plain: Any) -> None:
    done = pair.give(*GIVE)
    assert done.status == 0, done.err
    expected = compare_layers(plain.float_tflite, plain.int8_tflite, list(plain.samples))
    title, _, headings, *rows = done.out.splitlines()
    assert title.startswith(f"{len(expected)} of {len(expected)} layers compared on 16 samples")
    assert headings.split() == [
        "effect", "in", "all", "worst", "own", "constant", "saturated", "float", "min", "float",
        "max", "int", "min", "int", "max", "type", "tensor",
    ]  # fmt: skip
    for row, layer in zip(rows, expected, strict=True):
        cells = row.split()
        assert layer.effect is not None
        assert cells[0] == f"{layer.effect:.2%}"
        assert cells[1] == f"{layer.sqnr_db:.1f}"
        assert cells[2] == f"{layer.worst_channel_sqnr_db:.1f}"
        assert cells[3] == f"{layer.own_sqnr_db:.1f}"
        assert cells[-2:] == [layer.type, layer.name]


def test_json_has_the_same_and_more(pair: Any, plain: Any) -> None:
    done = pair.give(*GIVE, "--json")
    assert done.status == 0, done.err
    expected = compare_layers(plain.float_tflite, plain.int8_tflite, list(plain.samples))
    assert done.json["layers"] == [item.to_dict() for item in expected]
    assert done.json["samples"] == 16
    assert done.json["compared_layers"] == done.json["float_layers"] == len(expected)


@pytest.mark.parametrize(("by", "key"), [("total", "sqnr_db"), ("own", "own_sqnr_db")])
def test_the_worst_by_either_measure(pair: Any, by: str, key: str) -> None:
    whole = pair.give(*GIVE, "--json").json["layers"]
    done = pair.give(*GIVE, "--top", "2", "--by", by, "--json")
    ranked = sorted(whole, key=lambda item: item[key])
    assert done.json["layers"] == ranked[:2]
    assert done.json["compared_layers"] == len(whole)


def test_a_model_and_itself_are_exact(pair: Any, plain: Any) -> None:
    (pair.folder / "int8.tflite").write_bytes(plain.float_tflite)
    rows = pair.give(*GIVE).out.splitlines()[3:]
    cells = {tuple(row.split()[:6]) for row in rows}
    assert cells == {("0.00%", "exact", "exact", "exact", "0", "0")}
    as_json = pair.give(*GIVE, "--json").json["layers"]
    assert {layer["sqnr_db"] for layer in as_json} == {None}


def test_a_keras_file_and_what_the_command_made_of_it(desk: Any, plain: Any) -> None:
    give = ["quantize", str(plain.file), "--calibration", "samples.npz", "-o", "new.tflite"]
    done = desk.give(*give)
    assert done.status == 0, done.err
    done = desk.give("layers", str(plain.file), "new.tflite", "--data", "samples.npz", "--json")
    assert done.status == 0, done.err
    assert done.json["compared_layers"] == done.json["float_layers"] > 0
    assert all(math.isfinite(layer["sqnr_db"]) for layer in done.json["layers"])
    # The command kept golden vectors beside the model.
    golden = Golden.load(desk.folder / "new.golden.npz")
    assert check((desk.folder / "new.tflite").read_bytes(), golden) == ()


def other_shape(desk: Any) -> None:
    values = np.random.default_rng(0).normal(size=(4, 9, 9, 3)).astype(np.float32)
    desk.save("samples.npz", image=values)


def broken_values(desk: Any) -> None:
    values = np.full((4, 10, 10, 3), np.nan, np.float32)
    desk.save("samples.npz", image=values)


def cut_off(desk: Any) -> None:
    path = desk.folder / "int8.tflite"
    path.write_bytes(path.read_bytes()[:-4000])


MISTAKES: dict[str, Any] = {
    "no pair": ("depthwise", GIVE, ["no layer in common", "the very file"]),
    "no int8 model": (None, [*GIVE[:2], "int9.tflite", *GIVE[3:]],
                      ["There is no model at 'int9.tflite'", "int8.tflite"]),
    "int8 model is data": (None, [*GIVE[:2], "samples.npz", *GIVE[3:]], ["'samples.npz'"]),
    "int8 model is cut off": (cut_off, GIVE, ["'int8.tflite'"]),
    "the wrong way round": (None, ["layers", "int8.tflite", "float.tflite", *GIVE[3:]],
                            ["'int8.tflite' is already quantized"]),
    "no float model": (None, ["layers", "flat.tflite", *GIVE[2:]],
                       ["There is no model at 'flat.tflite'"]),
    "no data": (None, [*GIVE[:4], "simples.npz"], ["samples.npz"]),
    "data of another shape": (other_shape, GIVE, ["(9, 9, 3)", "(10, 10, 3)"]),
    "data with NaN": (broken_values, GIVE, ["NaN"]),
}  # fmt: skip


@pytest.mark.parametrize(("prepare", "arguments", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_paragraph(
    pair: Any, depthwise: Any, prepare: Any, arguments: list[str], said: list[str]
) -> None:
    if prepare == "depthwise":
        (pair.folder / "int8.tflite").write_bytes(depthwise.int8_tflite)
    elif prepare is not None:
        prepare(pair)
    done = pair.give(*arguments)
    assert done.status == 2, done.out
    assert done.out == ""
    assert len(done.err.strip().splitlines()) == 1, done.err
    for words in ("Error: ", "Found: ", "Expected: ", *said):
        assert words in done.err
    as_json = pair.give(*arguments, "--json")
    assert as_json.status == 2
    assert as_json.json.keys() == {"error", "exit_status"}


USAGE = {
    "no data": (GIVE[:3], "Missing option '--data'"),
    "one model": (["layers", "float.tflite", *GIVE[3:]], "Missing argument 'INT8'"),
    "none to show": ([*GIVE, "--top", "0"], "0 is not in the range x>=1"),
    "another order": ([*GIVE, "--by", "name"], "'name' is not one of"),
}


@pytest.mark.parametrize(("arguments", "said"), USAGE.values(), ids=USAGE)
def test_a_wrong_option_is_told_by_click(pair: Any, arguments: list[str], said: str) -> None:
    done = pair.give(*arguments)
    assert done.status == 2
    assert said in done.err
