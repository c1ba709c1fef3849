"""Damaged files are read or refused, and what is read is judged; benchmarks/mutations.py does more.

The edits here are the smallest forms of what mutations of real models have found.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from benchmarks.mutants import attempt, mutant, places
from tests.tflite import tiny_model
from tests.tflite.tiny_model import BIAS, TAKEN, WEIGHTS

from quantline.contract.specification import SPECIFICATION
from quantline.edgetpu.mapping.operators import TABLE
from quantline.tflite.consistency import OPERATORS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Trained


def test_five_hundred_mutants_of_a_real_model_are_read_or_refused(plain: Trained) -> None:
    model = plain.int8_tflite
    known = places(model)
    outcomes = Counter[str]()
    for seed in range(500):
        damaged = mutant(model, known, seed)
        start = time.process_time()
        outcomes[attempt(damaged).split(":")[0]] += 1
        assert time.process_time() - start < 1, seed
    assert outcomes.keys() == {"read", "refused"}
    assert min(outcomes.values()) > 50


def test_a_mutant_is_the_same_for_the_same_seed(plain: Trained) -> None:
    model = plain.int8_tflite
    known = places(model)
    assert mutant(model, known, 3) == mutant(model, known, 3) != mutant(model, known, 4)


# Of the tensors, whatever operator reads them.
ODDITIES: dict[str, Callable[[Any], None]] = {}


def oddity(edit: Callable[[Any], None]) -> Callable[[Any], None]:
    ODDITIES[edit.__name__] = edit
    return edit


@oddity
def nothing(tensor: Any) -> None:
    pass


@oddity
def no_quantization(tensor: Any) -> None:
    tensor.quantization = None


@oddity
def a_scale_of_zero(tensor: Any) -> None:
    tensor.quantization.scale = np.zeros_like(tensor.quantization.scale)


@oddity
def a_scale_that_is_no_number(tensor: Any) -> None:
    tensor.quantization.scale = np.full_like(tensor.quantization.scale, np.nan)


@oddity
def an_infinite_scale(tensor: Any) -> None:
    tensor.quantization.scale = np.full_like(tensor.quantization.scale, np.inf)


@oddity
def a_zero_point_beyond_all_types(tensor: Any) -> None:
    tensor.quantization.zeroPoint = np.full_like(tensor.quantization.zeroPoint, 2**63 - 1)


@oddity
def no_dimensions(tensor: Any) -> None:
    if tensor.buffer < 3:
        tensor.shape = None


@oddity
def six_dimensions(tensor: Any) -> None:
    if tensor.buffer < 3:
        tensor.shape = np.asarray([1, 1, 1, 2, 2, 1], np.int32)


@oddity
def no_values(tensor: Any) -> None:
    if tensor.buffer < 3:
        tensor.shape = np.asarray([1, 0], np.int32)


@oddity
def unknown_sizes(tensor: Any) -> None:
    if tensor.buffer < 3:
        tensor.shapeSignature = np.asarray([-1] * len(tensor.shape), np.int32)


@oddity
def texts(tensor: Any) -> None:
    tensor.type = schema.TensorType.STRING


@oddity
def floats(tensor: Any) -> None:
    tensor.type = schema.TensorType.FLOAT32
    if tensor.buffer == 3:
        tensor.shape = np.asarray([2, 1], np.int32)


@oddity
def int4(tensor: Any) -> None:
    tensor.type = schema.TensorType.INT4
    if tensor.buffer >= 3:
        tensor.shape, tensor.quantization = np.asarray([16], np.int32), None


INPUTS = ([TAKEN, WEIGHTS, BIAS], [WEIGHTS], [BIAS] * 4, [BIAS] * 24)
JUDGED = {code for code, name in OPERATORS.items() if name in TABLE or name in SPECIFICATION}


@pytest.mark.parametrize("name", ODDITIES)
def test_an_operator_of_any_type_is_judged_whatever_its_tensors(name: str) -> None:
    outcomes = Counter[str]()
    for code in OPERATORS if name == "nothing" else JUDGED:
        for inputs in INPUTS if name == "nothing" else INPUTS[:1]:
            model = tiny_model.tree()
            tiny_model.with_operator(code, inputs, [3], "mine")(model)
            for tensor in model.subgraphs[0].tensors:
                ODDITIES[name](tensor)
            outcome = attempt(tiny_model.pack(model, 1 << 12))
            outcomes[re.split(r"[:,]", outcome)[0]] += 1
    assert outcomes.keys() <= {"read", "refused"}
    assert outcomes["read"] > 40
