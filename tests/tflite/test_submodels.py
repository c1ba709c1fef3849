from __future__ import annotations

import numpy as np
import pytest
from tests.edgetpu import compiling
from tests.edgetpu.conftest import Model

from quantline.tflite.edit import extract, pack
from quantline.tflite.graph import parse, read
from quantline.tflite.runtime import Runtime


@pytest.fixture(scope="module")
def branched():
    """x -> NEG -> a -> ABS -> b; b + c -> SQUARE of that, with c a constant; a is read twice."""
    model = Model()

    def tensor(values=None):
        return model.tensor(1, 4, dtype="float32", values=values)

    x, a, b, c, total, squared, other = (
        tensor(), tensor(), tensor(), tensor([[1, 2, 3, 4]]), tensor(), tensor(), tensor()
    )  # fmt: skip
    model.add("NEG", [x], [a])
    model.add("ABS", [a], [b])
    model.add("ADD", [b, c], [total])
    model.add("SQUARE", [total], [squared])
    model.add("EXP", [a], [other])
    return compiling.file(model.graph(squared, other)), (x, a, b, c, total, squared, other)


def run(model, *values):
    runtime = Runtime(model, threads=1, kernels="builtin")
    runtime.set(*(np.asarray(value, np.float32).reshape(1, 4) for value in values))
    runtime.invoke()
    return [item.ravel() for item in runtime.get()]


def test_the_parts_compute_what_the_whole_does(branched):
    model, (x, a, b, _, _, *outputs) = branched
    first, rest = extract(model, {0, 1}), extract(model, {2, 3, 4})
    assert read(first).main.inputs == (x,)
    assert read(first).main.outputs == (a, b)
    assert read(rest).main.inputs == (b, a)
    assert read(rest).main.outputs == tuple(outputs)
    given = [1.0, -2.0, 0.5, 3.0]
    between = run(first, given)
    np.testing.assert_array_equal(run(rest, *reversed(between)), run(model, given))


def test_what_lay_between_two_is_cut(branched):
    """Without the ABS between them, the NEG's output and the ADD's input are both there."""
    model, (x, a, b, _, total, *_) = branched
    cut = read(extract(model, {0, 2})).main
    assert [operator.type for operator in cut.operators] == ["NEG", "ADD"]
    assert (cut.inputs, cut.outputs) == ((x, b), (a, total))
    results = run(extract(model, {0, 2}), [1, 2, 3, 4], [10, 20, 30, 40])
    np.testing.assert_array_equal(results, [[-1, -2, -3, -4], [11, 22, 33, 44]])


def test_constants_that_nothing_uses_are_dropped(branched):
    model, (_, _, _, constant, *_) = branched
    assert read(extract(model, {2})).main.tensors[constant].values().ravel().tolist() == [
        1,
        2,
        3,
        4,
    ]
    assert read(extract(model, {3})).main.tensors[constant].constant is None


def test_a_variable_is_no_input():
    model = Model()
    state, x, result = (model.tensor(1, 4, dtype="float32") for _ in range(3))
    model.add("ADD", [x, state], [result])
    edited = parse(compiling.file(model.graph(result)))
    edited.subgraphs[0].tensors[state].isVariable = True
    assert read(extract(pack(edited, 1 << 12), {0})).main.inputs == (x,)
