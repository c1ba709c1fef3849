from __future__ import annotations

from quantline.edgetpu.mapping.partition import Subset, live_operators, partition


def test_a_chain_is_cut_at_every_change_of_side(model):
    last = model.tensor(1)
    for _ in range(5):
        last = model.unary("RELU", last)
    assert partition(model.operators, {0, 1, 3, 4}) == [
        Subset(True, (0, 1)),
        Subset(False, (2,)),
        Subset(True, (3, 4)),
    ]


def test_what_does_not_depend_on_the_break_stays_in_the_first_subset(model):
    source = model.tensor(1)
    first = model.unary("RELU", source)
    broken = model.unary("GATHER", first)
    side = model.unary("RELU", first)
    output = model.tensor(1)
    model.add("ADD", [broken, side], [output])
    assert partition(model.operators, {0, 2, 3}) == [
        Subset(True, (0, 2)),
        Subset(False, (1,)),
        Subset(True, (3,)),
    ]


def test_the_first_ready_operator_decides_the_side(model):
    image = model.unary("QUANTIZE", model.tensor(1))
    other = model.unary("QUANTIZE", model.tensor(1))
    output = model.tensor(1)
    model.add("ADD", [image, other], [output])
    assert partition(model.operators, {1, 2}) == [Subset(False, (0,)), Subset(True, (1, 2))]


def test_a_cycle_ends(model):
    one, two = model.tensor(1), model.tensor(1)
    model.add("RELU", [one], [two])
    model.add("RELU", [two], [one])
    assert partition(model.operators, {0, 1}) == []


def test_operators_that_no_output_needs_are_dead(model):
    source = model.tensor(1)
    output = model.unary("RELU", source)
    model.unary("RELU", source)
    model.add("ASSIGN_VARIABLE", [source], [])
    assert [operator.index for operator in live_operators(model.graph(output).main)] == [0, 2]
