"""Operators of a model are found again in what the compiler made of it."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.edgetpu import pairs
from tests.edgetpu.compiling import compiled

from quantline.edgetpu.compiled.match import Match, match
from quantline.errors import MismatchError

if TYPE_CHECKING:
    from collections.abc import Callable

    from quantline.tflite.graph import Graph


@pytest.fixture
def branched(model: Any) -> Graph:
    """0 QUANTIZE; 1 RELU; 2 FLOOR and 3 TANH of it; 4 ADD of both; 5 RELU that is dead; 6 FLOOR."""
    start = model.unary("QUANTIZE", model.tensor(1, 8, dtype="float32"), (1, 8))
    both = model.unary("RELU", start)
    left, right = model.unary("FLOOR", both), model.unary("TANH", both)
    total = model.tensor(1, 8)
    model.add("ADD", [left, right], [total])
    model.unary("RELU", total)
    return model.graph(model.unary("FLOOR", total))


@pytest.mark.parametrize(
    ("groups", "cpu"),
    [
        ((), (0, 1, 2, 3, 4, 6)),
        (({1, 3},), (0, 2, 4, 6)),  # what does not depend on 2 may be mapped with what is before
        (({1, 3}, {4}), (0, 2, 6)),
        (({1, 2, 3, 4, 6},), (0,)),
        (({0, 1, 2, 3, 4, 6},), ()),
        (({4}, {6}), (0, 1, 2, 3)),
    ],
)
def test_groups_are_found_by_their_ends(
    branched: Graph, groups: tuple[set[int], ...], cpu: tuple[int, ...]
) -> None:
    found = match(branched, compiled(branched, *groups))
    assert found == Match(tuple(tuple(sorted(group)) for group in groups), cpu, (5,))
    assert found.edgetpu == tuple(sorted(set().union(*groups)))


def test_names_need_not_be_unique(branched: Graph) -> None:
    named = rename(branched, lambda name: "same")
    found = match(named, compiled(named, {1, 3}, {4}))
    assert found.subgraphs == ((1, 3), (4,))


def test_a_group_between_like_operators_is_found_although_all_names_are_the_same(
    model: Any,
) -> None:
    at = model.tensor(1, 8)
    for kind in ("FLOOR", "RELU", "RELU", "FLOOR"):
        at = model.unary(kind, at)
    named = rename(model.graph(at), lambda name: "same")
    assert match(named, compiled(named, {1, 2})).subgraphs == ((1, 2),)


@pytest.mark.parametrize("unknown", [(-1, 8), (), (1, -1)])
def test_what_shape_is_unknown_is_known_in_the_compiled_model(
    model: Any, unknown: tuple[int, ...]
) -> None:
    output = model.tensor(*unknown)
    model.add("detector", [model.unary("RELU", model.tensor(1, 8))], [output], custom=True)
    graph = model.graph(output)
    result = compiled(graph, {0})
    tensors = tuple(replace(tensor, shape=(1, 8)) for tensor in result.main.tensors)
    assert match(graph, with_main(result, tensors=tensors)) == Match(((0,),), (1,), ())


def test_an_operator_without_outputs_is_found_by_its_type(model: Any) -> None:
    source = model.tensor(1, 8)
    state = model.unary("RELU", source)
    model.add("ASSIGN_VARIABLE", [model.tensor(1, dtype="resource", values=None), state], [])
    graph = model.graph(model.unary("RELU", state))
    assert match(graph, compiled(graph, {0, 2})) == Match(((0, 2),), (1,), ())


def test_constants_may_be_stored_once_for_several(model: Any) -> None:
    at = model.tensor(1, 8)
    for _ in range(2):
        total = model.tensor(1, 8)
        model.add("ADD", [at, model.tensor(1, 8, values=3)], [total])
        at = total
    graph = model.graph(at)
    result = compiled(graph)
    shared = next(tensor.index for tensor in result.main.tensors if tensor.constant is not None)
    operators = tuple(
        replace(operator, inputs=(operator.inputs[0], shared)) for operator in result.main.operators
    )
    assert match(graph, with_main(result, operators=operators)).cpu == (0, 1)


def rename(graph: Graph, name: Callable[[str], str]) -> Graph:
    tensors = tuple(replace(tensor, name=name(tensor.name)) for tensor in graph.main.tensors)
    return with_main(graph, tensors=tensors)


def with_main(graph: Graph, **changes: Any) -> Graph:
    return replace(graph, subgraphs=(replace(graph.main, **changes),))


def with_tensor(graph: Graph, index: int, **changes: Any) -> Graph:
    tensors = list(graph.main.tensors)
    tensors[index] = replace(tensors[index], **changes)
    return with_main(graph, tensors=tuple(tensors))


def other_output(graph: Graph) -> Graph:
    return with_tensor(graph, graph.main.outputs[0], name="other")


def other_scale(graph: Graph) -> Graph:
    index = graph.main.outputs[0]
    quantization = replace(graph.main.tensors[index].quantization, scales=(0.25,))
    return with_tensor(graph, index, quantization=quantization)


def other_values(graph: Graph) -> Graph:
    index = next(tensor.index for tensor in graph.main.tensors if tensor.constant is not None)
    return with_tensor(graph, index, constant=np.zeros(8, np.uint8))


def other_operator(graph: Graph) -> Graph:
    operators = list(graph.main.operators)
    operators[-1] = replace(operators[-1], type="CEIL")
    return with_main(graph, operators=tuple(operators))


def other_input(graph: Graph) -> Graph:
    programs = [operator for operator in graph.main.operators if operator.is_custom]
    (between,) = set(programs[-1].inputs) - set(programs[0].outputs)
    return with_tensor(graph, between, name="other")


CHANGES: dict[str, tuple[Callable[[Graph], Graph], str]] = {
    "no outputs": (lambda graph: with_main(graph, outputs=()), "1 outputs of the model, 0 of the"),
    "a name": (other_output, "'other' of the compiled model is 't6' in the model"),
    "a type": (lambda graph: with_tensor(graph, 0, dtype="uint8"), "is uint8, not int8"),
    "a shape": (lambda graph: with_tensor(graph, 0, shape=(2, 4)), "shape [2, 4], not [1, 8]"),
    "a scale": (other_scale, "has another scale or zero point"),
    "values": (other_values, "has other values"),
    "an operator": (other_operator, "operator 4 CEIL of the compiled model, operator 4 FLOOR of"),
    "the input of a group": (other_input, "no tensor like 'other' (int8 [1, 8]), an input"),
    "a group less": (
        lambda graph: with_main(graph, operators=graph.main.operators[1:]),
        "neither left nor mapped: operator 0 RELU",
    ),
}


@pytest.mark.parametrize(("change", "said"), CHANGES.values(), ids=CHANGES)
def test_files_that_are_no_pair_are_told_apart(
    model: Any, change: Callable[[Graph], Graph], said: str
) -> None:
    start = model.unary("RELU", model.tensor(1, 8))
    floor = model.unary("FLOOR", start)
    total = model.tensor(1, 8)
    model.add("MUL", [floor, model.tensor(1, 8, values=3)], [total])
    last = model.tensor(1, 8)
    model.add("ADD", [total, start], [last])
    graph = model.graph(model.unary("FLOOR", last))
    good = compiled(graph, {0}, {2, 3}) if said.startswith("no tensor") else compiled(graph, {0})
    match(graph, good)
    with pytest.raises(MismatchError) as caught:
        match(graph, change(good))
    assert said in caught.value.found


def test_whatever_the_compiled_graph_is_it_matches_or_is_refused(branched: Graph) -> None:
    good = compiled(branched, {1, 3}, {4})
    draw = random.Random(0)  # noqa: S311 - the same damage each time
    refused = 0
    for _ in range(2000):
        operators = list(good.main.operators)
        for _ in range(draw.randint(1, 2)):
            at, side = draw.randrange(len(operators)), draw.choice(("inputs", "outputs"))
            places = draw.choices(range(-1, len(good.main.tensors)), k=draw.randint(0, 3))
            places = [place for place in places if side == "inputs" or place >= 0]
            operators[at] = replace(operators[at], **{side: tuple(places)})
        draw.shuffle(operators)
        try:
            match(branched, with_main(good, operators=tuple(operators)))
        except MismatchError:
            refused += 1
    assert refused > 1500


@pairs.needed
def test_operators_went_where_the_compiler_said() -> None:
    for record in pairs.compiled():
        found = match(pairs.graph(record["model"]), pairs.graph(record["compiled"]))
        for side in ("edgetpu", "cpu", "dead"):
            assert list(getattr(found, side)) == record[side], record["model"]
        assert len(found.subgraphs) == record["edgetpu_subgraphs"]


@pairs.needed
def test_models_of_other_pairs_are_no_pair() -> None:
    records = pairs.compiled()
    for record, other in zip(records, records[1:] + records[:1], strict=True):
        with pytest.raises(MismatchError):
            match(pairs.graph(record["model"]), pairs.graph(other["compiled"]))
