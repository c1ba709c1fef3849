from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from tests.tflite import tiny_model
from tests.tflite.tiny_model import GIVEN, TAKEN

from quantline.child import run_in_child
from quantline.errors import ModelUnreadable
from quantline.tflite import read
from quantline.tflite.consistency import (
    OPERATORS,
    fewest_inputs,
    fewest_outputs,
    required_inputs,
)

PROJECT = Path(__file__).resolve().parents[2]
CODES = {name: code for code, name in OPERATORS.items()}
# LiteRT 2.3 splits into nothing without a word, and SIGN's kernel crashes.
NOT_CHECKED = {("SPLIT", "outputs"), ("SIGN", "outputs")}


def lacking(name: str, what: str) -> bytes | None:
    """A model of an operator with one input or output less than it must have."""
    inputs, outputs = fewest_inputs(name), fewest_outputs(name)
    inputs, outputs = (inputs - 1, outputs) if what == "inputs" else (inputs, outputs - 1)
    if inputs < 0 or outputs < 0:
        return None
    return tiny_model.file(
        tiny_model.with_operator(CODES[name], [TAKEN] * inputs, [GIVEN] * outputs)
    )


@pytest.mark.parametrize("what", ["inputs", "outputs"])
def test_the_runtime_takes_no_operator_with_fewer_operands(
    what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A child process imports nothing from the working folder, where the tests are.
    monkeypatch.setenv("PYTHONPATH", str(PROJECT), prepend=os.pathsep)
    models = {
        name: model
        for name in CODES
        if (name, what) not in NOT_CHECKED and (model := lacking(name, what)) is not None
    }
    assert len(models) > 150
    said = run_in_child(
        tiny_model.refusals, list(models.values()), what="the comparison", timeout_s=60
    )
    assert [name for name, refusal in zip(models, said, strict=True) if not refusal] == []
    assert sum("NumInputs" in item or "NumOutputs" in item for item in said) > 80


@pytest.mark.parametrize("what", ["inputs", "outputs"])
def test_an_operator_with_fewer_operands_is_refused(what: str) -> None:
    for name in CODES:
        model = lacking(name, what)
        if model is not None:
            with pytest.raises(ModelUnreadable, match=rf"\d+ {what} of {name}\b"):
                read(model)


@pytest.mark.parametrize("name", CODES)
def test_an_operator_with_the_fewest_operands_is_read(name: str) -> None:
    inputs: Any = [TAKEN] * fewest_inputs(name)
    for position in range(required_inputs(name), len(inputs)):
        inputs[position] = -1
    edit = tiny_model.with_operator(CODES[name], inputs, [GIVEN] * fewest_outputs(name), "mine")
    (operator,) = read(tiny_model.file(edit)).main.operators
    assert operator.type == ("mine" if name == "CUSTOM" else name)


@pytest.mark.parametrize(
    ("name", "inputs"), [("FULLY_CONNECTED", [0, -1, 2]), ("ADD", [-1, 0]), ("SOFTMAX", [-1])]
)
def test_a_required_input_is_given(name: str, inputs: list[int]) -> None:
    """LiteRT 2.3 reads before its tensors' start where the weights of a layer are not given."""
    with pytest.raises(ModelUnreadable, match="inputs: index -1"):
        read(tiny_model.file(tiny_model.with_operator(CODES[name], inputs, [GIVEN])))
